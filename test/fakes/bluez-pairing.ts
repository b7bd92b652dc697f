import type { Agent, Agents } from './bluez-agents.ts'
import type { DeviceSettings, Standing } from './bluez-device.ts'
import { type Method, type Refusal, refusal } from './bluez-tree.ts'
import type { Counts } from './bluez-world.ts'

/**
 * How a device bonds. `just-works` asks nobody; `authorization` and `confirm` ask the agent yes or no; `passkey`
 * shows digits on the device, to be typed into the agent; `display` has the agent show digits, to be typed at the
 * device; `refused` fails.
 */
export type PairingKind = 'just-works' | 'authorization' | 'confirm' | 'passkey' | 'display' | 'refused'

/** What an agent must be able to do for some of them (Core Specification, mapping of IO capabilities). */
const able: Readonly<Partial<Record<PairingKind, readonly string[]>>> = {
  confirm: ['DisplayYesNo', 'KeyboardDisplay'],
  passkey: ['KeyboardOnly', 'KeyboardDisplay'],
  display: ['DisplayOnly', 'DisplayYesNo', 'KeyboardDisplay'],
}

const failed = (): Refusal => refusal('AuthenticationFailed', 'Authentication Failed')
const canceled = (): Refusal => refusal('AuthenticationCanceled', 'Authentication Canceled')

/** The device that is to be bonded with. */
export interface Bonding {
  readonly path: string
  /** Makes a link if there is none. */
  reach(): Promise<void>
  drop(): void
  /** From now on there is a bond. */
  bonded(): void
  later(act: () => void): void
}

export interface Pairing {
  pair: Method
  cancel: Method
  /** The link went down, which ends a pairing. */
  dropped(): void
  left(client: string): void
  stop(): void
}

/** Pair and CancelPairing of one device. */
export function openPairing(
  agents: Agents,
  settings: DeviceSettings,
  now: Readonly<Standing>,
  counts: Counts,
  device: Bonding,
): Pairing {
  const { pairing: kind = 'just-works', passkey = 0, afterPairing = 'stays' } = settings
  let current: { client: string; callOff: () => void } | undefined

  const talk = async (agent: Agent | undefined): Promise<void> => {
    await device.reach()
    if (current === undefined) {
      // called off meanwhile
      device.drop()
      throw canceled()
    }
    if (agent === undefined || kind === 'refused') throw failed()
    if (!(able[kind]?.includes(agent.capability) ?? true)) throw failed()
    const ask = async (member: string, signature: string, ...body: unknown[]): Promise<unknown[]> => {
      try {
        return await agents.ask(agent, member, signature, [device.path, ...body])
      } catch {
        // whatever the agent's error was, BlueZ answers the device with no and the client with this
        throw failed()
      }
    }
    if (kind === 'authorization') await ask('RequestAuthorization', 'o')
    if (kind === 'confirm') await ask('RequestConfirmation', 'ou', passkey)
    if (kind === 'display') await ask('DisplayPasskey', 'ouq', passkey, 0)
    if (kind === 'passkey') {
      const [typed] = await ask('RequestPasskey', 'o')
      if (typed !== passkey) throw failed()
    }
  }

  const pair = async (client: string): Promise<undefined> => {
    counts.pairings++
    if (now.paired) throw refusal('AlreadyExists', 'Already Exists')
    if (current !== undefined) throw refusal('InProgress', 'In Progress')
    const calledOff = new Promise<never>((_, fail) => {
      current = { client, callOff: () => fail(canceled()) }
    })
    try {
      await Promise.race([talk(agents.of(client)), calledOff])
    } catch (error) {
      current = undefined
      device.drop()
      throw error
    }
    current = undefined
    device.bonded()
    if (afterPairing === 'drops') device.later(device.drop)
    if (afterPairing === 'drops-early') {
      device.drop()
      throw canceled()
    }
  }

  return {
    pair: { run: pair },
    cancel: {
      run(): undefined {
        if (current === undefined) throw refusal('DoesNotExist', 'Does Not Exist')
        const agent = agents.of(current.client)
        current.callOff()
        // nobody waits for what it answers
        if (agent !== undefined) agents.ask(agent, 'Cancel', '', []).catch(() => {})
      },
    },
    dropped: () => current?.callOff(),
    left(client) {
      if (current?.client === client) current.callOff()
    },
    stop() {
      current = undefined
    },
  }
}
