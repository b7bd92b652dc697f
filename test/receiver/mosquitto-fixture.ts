import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect as connectPlain } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt'
import { freePort } from '../../scripts/scenario/forwarder.ts'
import { until } from '../../scripts/scenario/program.ts'
import { base64url } from '../../src/base/bytes.ts'
import { issueClient, makeTlsKey, type Revoked } from '../../src/receiver/authority.ts'
import { initialise } from '../../src/receiver/init.ts'
import { mosquittoFiles } from '../../src/receiver/mosquitto.ts'
import { type Exported, exportMosquitto } from '../../src/receiver/mosquitto-export.ts'
import { openRegistry } from '../../src/receiver/registry.ts'
import { insertStatement } from '../../src/receiver/registry-rows.ts'
import { ownLock, paths, readFacts, readSecrets, readSigner } from '../../src/receiver/state.ts'
import { openStore } from '../../src/receiver/store.ts'
import { boxKey, makePair, signingKey } from '../../src/wire/keys.ts'
import { signRegistry } from '../../src/wire/registry.ts'
import { type Program, startProgram } from '../way/program.ts'

const passphrase = 'for tests only, known to everybody'
export const patienceMs = 30_000

/** What a TLS client shows, and whom it believes. */
export interface Ends {
  key?: string
  cert?: string
  ca: string
}

/** A receiver that was initialised for a Mosquitto, and what that is run with. */
export interface Site {
  folder: string
  state: string
  port: number
  server: string
  receiver: string
  at: ReturnType<typeof mosquittoFiles>
  exported(revoked?: readonly Revoked[], now?: number): Promise<Exported>
  enrol(gateway: string): void
  /** A certificate of this site's CA. */
  ends(name: string): Promise<Ends & { key: string; cert: string }>
  /** Starts Mosquitto with exactly what was exported. */
  start(): Promise<Program>
  /** What its log says beyond this character. */
  logged(from?: number): string
  close(): Promise<void>
}

const isOpen = (port: number): Promise<boolean> =>
  new Promise(resolve => {
    const socket = connectPlain(port, '127.0.0.1')
    socket.on('error', () => resolve(false))
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
  })

/** Makes a site in a folder of its own. As root, Mosquitto becomes its own user and must get through. */
export async function makeSite(broker?: string): Promise<Site> {
  const folder = mkdtempSync(join(tmpdir(), 'vitalgate-mosquitto-'))
  chmodSync(folder, 0o711)
  const state = join(folder, 'receiver')
  mkdirSync(state, { mode: 0o700 })
  const port = await freePort()
  const now = Date.now()
  await initialise(
    state,
    {
      ...{ hosts: ['localhost'], port, announced: [], operator: 'tester', now },
      broker: broker ?? `mqtts://localhost:${port}`,
    },
    async () => passphrase,
  )
  const { server, client: receiver } = readFacts(state)
  const at = mosquittoFiles(join(folder, 'mosquitto'))
  const programs: Program[] = []
  const withStore = <T>(work: (store: ReturnType<typeof openStore>) => T): T => {
    const store = openStore(paths(state).database)
    try {
      return work(store)
    } finally {
      store.close()
    }
  }
  return {
    ...{ folder, state, port, server, receiver, at },
    exported: async (revoked = [], when = now) => {
      const store = openStore(paths(state).database)
      try {
        const plan = { state, folder: join(folder, 'mosquitto'), user: 'mosquitto', revoked, now: when }
        return await exportMosquitto(openRegistry(state, store.db), plan)
      } finally {
        store.close()
      }
    },
    enrol: gateway =>
      withStore(store => {
        const keys = {
          sign: base64url(signingKey(makePair('ed25519').secret).publicKey),
          box: base64url(boxKey(makePair('x25519').secret).publicKey),
          tls: '0'.repeat(64),
        }
        const binding = { gateway, server, version: 1, site: 'site', keys, since: now }
        const statement = signRegistry('binding', binding, readSigner(state, 'root', { passphrase }))
        insertStatement(store.db, { subject: gateway, version: 1, statement, at: now, actor: 'test' })
      }),
    ends: async name => {
      const { key: signing } = readSecrets(state, 'authority', ownLock(state))
      const ca = readFileSync(paths(state).authorityCertificate, 'utf8')
      const key = await makeTlsKey()
      return { key, cert: await issueClient({ key: signing, certificate: ca }, name, key, now), ca }
    },
    start: async () => {
      const program = startProgram(
        '/usr/sbin/mosquitto',
        ['-c', at.configuration],
        join(folder, 'mosquitto.out'),
      )
      programs.push(program)
      await until('the broker', patienceMs, () => isOpen(port))
      return program
    },
    logged: (from = 0) => readFileSync(at.log, 'utf8').slice(from),
    close: async () => {
      for (const program of programs) await program.end('SIGKILL')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Connects to the site's broker; rejects where it is refused. */
export const dial = (
  { port }: Site,
  ends: Ends,
  clientId: string,
  more: IClientOptions = {},
): Promise<MqttClient> =>
  mqtt.connectAsync(
    `mqtts://localhost:${port}`,
    { ...ends, clientId, protocolVersion: 4, reconnectPeriod: 0, ...more },
    false,
  )

/** Whether the broker granted the filter. */
export async function granted(client: MqttClient, filter: string): Promise<boolean> {
  try {
    await client.subscribeAsync(filter, { qos: 1 })
    return true
  } catch (error) {
    if (error instanceof Error && /^Subscribe error/.test(error.message)) return false
    throw error
  }
}

/** Resolves when the connection is closed. */
export const closed = (client: MqttClient): Promise<void> =>
  client.connected ? new Promise(resolve => client.once('close', () => resolve())) : Promise.resolve()

/** Collects what comes: `topic payload`. */
export function hear(client: MqttClient): { heard: string[]; until(count: number): Promise<void> } {
  const heard: string[] = []
  client.on('message', (topic, payload) => heard.push(`${topic} ${payload.toString()}`))
  return { heard, until: count => until(`${count} messages`, patienceMs, () => heard.length >= count) }
}
