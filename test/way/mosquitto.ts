import { chmodSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { type, until } from '../../scripts/scenario/program.ts'
import { mosquittoFiles } from '../../src/receiver/mosquitto.ts'
import { type Program, startProgram } from './program.ts'

/** Name in the certificate of a client that may hear everything: only tests have one. */
export const spyName = 'spy'

/** Debian's Mosquitto, run with what `registry export` wrote. */
export interface Mosquitto {
  program: Program
  /** Its log, as the exported configuration names it. */
  log: string
  /** Exports again and restarts, as an operator does after an enrolment or a revocation. */
  renew(): Promise<void>
}

const acl = (acltype: string) => ({ acltype, topic: '#', priority: 0, allow: true })

/** Adds the spy to the exported access rules, and nothing else. */
function admitSpy(rules: string): void {
  const held = JSON.parse(readFileSync(rules, 'utf8')) as { clients: object[]; roles: object[] }
  held.clients.push({ username: spyName, roles: [{ rolename: spyName }] })
  held.roles.push({ rolename: spyName, acls: [acl('subscribePattern'), acl('publishClientReceive')] })
  writeFileSync(rules, JSON.stringify(held))
}

const isOpen = (port: number): Promise<boolean> =>
  new Promise(resolve => {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => resolve(false))
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
  })

/**
 * Exports the broker's folder and starts Mosquitto with it; `spied` says whether the spy may hear everything.
 * As root it becomes its own user, which must get through `folder`.
 */
export async function startMosquitto(
  folder: string,
  port: number,
  state: string,
  spied = true,
): Promise<Mosquitto> {
  const at = mosquittoFiles(join(folder, 'mosquitto'))
  const write = async (): Promise<void> => {
    await type('vitalgate-receiver', [
      ...['--state', state, 'registry', 'export', '--mosquitto', join(folder, 'mosquitto')],
    ])
    if (spied) admitSpy(at.rules)
  }
  chmodSync(folder, 0o711)
  await write()
  symlinkSync(at.log, join(folder, 'mosquitto.log'))
  const program = startProgram('/usr/sbin/mosquitto', ['-c', at.configuration], join(folder, 'mosquitto.out'))
  const open = (): Promise<void> => until('the broker', 60_000, () => isOpen(port))
  await open()
  return {
    program,
    log: at.log,
    renew: async () => {
      await write()
      await program.end('SIGTERM')
      program.start()
      await open()
    },
  }
}
