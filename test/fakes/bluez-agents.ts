import { Message } from 'dbus-next'
import { type Face, refusal } from './bluez-tree.ts'
import type { World } from './bluez-world.ts'

/** A client's answer to questions of pairing. */
export interface Agent {
  client: string
  path: string
  capability: string
}

/** AgentManager1: each client may have one agent, and one of all is the default. */
export interface Agents {
  readonly face: Face
  list(): Agent[]
  /** The agent that answers for a client: its own, else the default one. */
  of(client: string): Agent | undefined
  /** Asks an agent; the Promise is rejected by its error, or when it takes too long. */
  ask(agent: Agent, member: string, signature: string, body: unknown[]): Promise<unknown[]>
  left(client: string): void
  clear(): void
}

const capabilities = ['', 'DisplayOnly', 'DisplayYesNo', 'KeyboardOnly', 'NoInputNoOutput', 'KeyboardDisplay']

export function openAgents(world: World): Agents {
  const byClient = new Map<string, Agent>()
  let chosen: string | undefined

  const owned = (client: string, path: string): Agent => {
    const agent = byClient.get(client)
    if (agent === undefined || agent.path !== path) throw refusal('DoesNotExist', 'Does Not Exist')
    return agent
  }
  const left = (client: string): void => {
    byClient.delete(client)
    if (chosen === client) chosen = undefined
  }

  const face: Face = {
    properties: () => ({}),
    methods: {
      RegisterAgent: {
        takes: 'os',
        run(client: string, path: string, capability: string): undefined {
          world.counts.registrations++
          if (byClient.has(client)) throw refusal('AlreadyExists', 'Already Exists')
          if (!capabilities.includes(capability)) {
            throw refusal('InvalidArguments', 'Invalid arguments in method call')
          }
          byClient.set(client, {
            client,
            path,
            capability: capability === '' ? 'KeyboardDisplay' : capability,
          })
          chosen ??= client
        },
      },
      UnregisterAgent: {
        takes: 'o',
        run(client: string, path: string): undefined {
          owned(client, path)
          left(client)
        },
      },
      RequestDefaultAgent: {
        takes: 'o',
        run(client: string, path: string): undefined {
          chosen = owned(client, path).client
        },
      },
    },
  }

  return {
    face,
    list: () => [...byClient.values()],
    of: client => byClient.get(client) ?? byClient.get(chosen ?? ''),
    async ask({ client, path }, member, signature, body) {
      const message = { destination: client, path, interface: 'org.bluez.Agent1', member, signature, body }
      let giveUp = (): void => {}
      const late = new Promise<never>((_, reject) => {
        giveUp = world.after(world.pace.agentMs, () => reject(new Error('agent did not answer')))
      })
      try {
        return (await Promise.race([world.call(new Message(message)), late]))?.body ?? []
      } finally {
        giveUp()
      }
    },
    left,
    clear() {
      byClient.clear()
      chosen = undefined
    },
  }
}
