import { isFault } from '../base/fault.ts'
import type { Answer, BluezBus } from './bluez-bus.ts'
import type { PairingWords } from './radio.ts'

/** Who answers BlueZ when a device wants to pair. */
export interface Agent {
  /** From now on questions about this device, and no other, are answered with these words. */
  begin(devicePath: string, words: PairingWords): void
  end(): void
}

const agentPath = '/org/vitalgate/agent'
const rejected = { error: 'org.bluez.Error.Rejected' }

/** The passkey that a person typed, or undefined where there is none that could be right. */
async function typed(words: PairingWords): Promise<number | undefined> {
  const passkey = await words.passkey().catch((cause: unknown) => {
    // who cannot be asked has not agreed
    if (isFault(cause)) return undefined
    throw cause
  })
  return passkey !== undefined && Number.isInteger(passkey) && passkey >= 0 && passkey <= 999_999
    ? passkey
    : undefined
}

/**
 * Registers an agent for this connection (BlueZ doc/agent-api); BlueZ forgets it with the connection. It says
 * no to everything but the one device that a person is pairing now. Fault when BlueZ takes no agent.
 */
export async function registerAgent(bus: BluezBus): Promise<Agent> {
  let pairing: { path: string; words: PairingWords; shown?: string } | undefined

  const answer: Answer = async (member, body) => {
    if (member === 'Release' || member === 'Cancel') return {}
    const now = pairing
    if (now === undefined || body[0] !== now.path) return rejected
    if (member === 'RequestAuthorization' || member === 'AuthorizeService') return {}
    if (member === 'RequestPasskey') {
      const passkey = await typed(now.words)
      return passkey === undefined || now !== pairing ? rejected : { uint32: passkey }
    }
    if (member === 'DisplayPasskey') {
      // BlueZ says it anew for every key typed at the device
      const shown = String(body[1]).padStart(6, '0')
      if (now.shown !== shown) now.words.show(shown)
      now.shown = shown
      return {}
    }
    if (member === 'RequestConfirmation') {
      // Both sides show the same number. What the person reads at the device must be what BlueZ has.
      const passkey = await typed(now.words)
      return passkey === body[1] && now === pairing ? {} : rejected
    }
    // PIN codes belong to Classic Bluetooth
    return rejected
  }

  bus.serve(agentPath, answer)
  await bus.call('/org/bluez', 'org.bluez.AgentManager1.RegisterAgent', 'os', [agentPath, 'KeyboardDisplay'])
  // Another agent may be the default one; ours is asked about what we pair all the same.
  await bus
    .call('/org/bluez', 'org.bluez.AgentManager1.RequestDefaultAgent', 'o', [agentPath])
    .catch(() => {})
  return {
    begin: (path, words) => {
      pairing = { path, words }
    },
    end: () => {
      pairing = undefined
    },
  }
}
