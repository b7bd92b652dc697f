import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Stage } from './stage.ts'

/** The receiver while it runs. */
export interface RunningReceiver {
  pid: number
  stop(): Promise<void>
}

/** Starts the receiver of the site and waits until it hears. */
export async function startReceiver({ site, folder, until }: Stage): Promise<RunningReceiver> {
  const log = join(folder, 'receiver.log')
  const readies = (): number =>
    existsSync(log) ? readFileSync(log, 'utf8').split('vitalgate-receiver: ready').length : 0
  const before = readies()
  site.startServer()
  await until('the receiver ready', async () => readies() > before)
  return { pid: site.server().child.pid!, stop: () => site.server().stop() }
}
