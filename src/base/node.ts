import { Fault } from './fault.ts'

/** The oldest major version of Node.js that runs this program (package.json, engines). */
export const nodeNeeded = 24

/**
 * Refuses a Node.js that is too old with fault `node.too-old`. Call it before anything native is loaded:
 * better-sqlite3 13 crashes on Node 20 instead of telling why (DESIGN 4).
 */
export function refuseOldNode(version: string = process.versions.node): void {
  if (Number.parseInt(version, 10) >= nodeNeeded) return
  throw new Fault('node.too-old', `Node.js ${version} is too old, ${nodeNeeded} or newer is needed`, {
    hint: 'start the program through scripts/vitalgate or scripts/vitalgate-receiver, which bring their own',
  })
}
