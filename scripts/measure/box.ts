import { cpSync } from 'node:fs'
import { basename, join } from 'node:path'
import { isFault } from '../../src/base/fault.ts'
import { type Client, connectControl } from '../../src/control/client.ts'
import { socketPlaces } from '../../src/identity/places.ts'
import { start } from '../scenario/program.ts'
import type { Stage } from './stage.ts'

/** A gateway's daemon while it runs. */
export interface RunningBox {
  pid: number
  client: Client
  /** Seconds from its start until it answered: ports, outbox and control socket are up. */
  ready: number
  /** Rows that wait for a receipt, and all that it holds or ever held since it started. */
  outbox(): Promise<{ queued: number; all: number }>
  /** Whether nothing waits for a receipt. */
  drained(): Promise<boolean>
  stop(): Promise<void>
}

const lookMs = 2

/** Whether the daemon answers; its absence is no fault here. */
async function answers(client: Client): Promise<boolean> {
  try {
    await client.ask('status', {})
    return true
  } catch (error) {
    if (isFault(error, 'control.absent')) return false
    throw error
  }
}

/** Starts the daemon of a state folder and waits until it is ready. */
export async function startBox(stage: Stage, state: string): Promise<RunningBox> {
  const log = join(stage.folder, `${basename(state)}.log`)
  const words = ['--state', state, '--config', stage.config, 'run']
  const program = start('vitalgate', words, log, stage.died, stage.profiles?.words('gateway'))
  const client = connectControl(socketPlaces(state, undefined, {}))
  const ready = await stage.until(`the daemon of ${basename(state)}`, () => answers(client), lookMs)
  const outbox: RunningBox['outbox'] = async () => {
    const { queued, receipted, forgotten } = (await client.ask('status', {})).outbox
    return { queued, all: queued + receipted + forgotten }
  }
  return {
    pid: program.child.pid!,
    client,
    ready,
    outbox,
    drained: async () => (await outbox()).queued === 0,
    stop: program.stop,
  }
}

/** A copy of a box that does not run, for what is thrown away afterwards. */
export function copyState(stage: Stage, state: string, name: string): string {
  const copy = stage.makeFolder(name)
  cpSync(state, copy, { recursive: true, filter: path => !path.endsWith('.sock') })
  return copy
}
