import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Message, sessionBus } from 'dbus-next'

/** A D-Bus of its own for one test, in place of the system's. */
export interface Bus {
  /** For `DBUS_SYSTEM_BUS_ADDRESS`; the same after a restart. */
  readonly address: string
  /** Ends the daemon at once, as a crash would. Every connection breaks. */
  kill(): Promise<void>
  /** Ends the daemon if it still runs and starts another one at the same address. */
  restart(): Promise<void>
  /** The match rules that each connection holds, by its unique name; one without rules is there with none. */
  matchRules(): Promise<ReadonlyMap<string, readonly string[]>>
  /** Ends the daemon and removes its folder. */
  close(): Promise<void>
}

const startMs = 10_000

/** As the system bus, limits included, but everybody may do everything on it. */
const config = (socket: string): string => `<!DOCTYPE busconfig PUBLIC
 "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=${socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="*" eavesdrop="true"/>
  </policy>
</busconfig>
`

/** Starts a private dbus-daemon in a temporary folder. It runs as anybody, needs no rights and ends with us. */
export async function openBus(): Promise<Bus> {
  // a socket's path holds at most 108 bytes
  const folder = await mkdtemp(join(tmpdir(), 'vg-bus-'))
  const socket = join(folder, 's')
  const address = `unix:path=${socket}`
  const file = join(folder, 'bus.conf')
  await writeFile(file, config(socket))
  let child: ChildProcess | undefined

  const start = async (): Promise<void> => {
    await rm(socket, { force: true })
    const args = [`--config-file=${file}`, '--nofork', '--nopidfile', '--print-address']
    // dies with us, also where a test run is cut short
    const daemon = spawn('setpriv', ['--pdeathsig', 'KILL', 'dbus-daemon', ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    child = daemon
    // held back: without root rights it complains about its own limit of open files, which harms nobody
    let complaint = ''
    daemon.stderr!.on('data', (text: Buffer) => (complaint += text))
    const signal = AbortSignal.timeout(startMs)
    // the address is printed once it listens; a daemon that ends instead says why
    const ended = once(daemon, 'exit').then(([code]) => {
      throw new Error(`dbus-daemon ended with ${code}: ${complaint}`)
    })
    await Promise.race([once(daemon.stdout!, 'data', { signal }), ended])
    ended.catch(() => {}) // it ends one day, and that is no fault then
  }

  const kill = async (): Promise<void> => {
    const daemon = child
    child = undefined
    if (daemon === undefined || daemon.exitCode !== null || daemon.signalCode !== null) return
    const ended = once(daemon, 'exit')
    daemon.kill('SIGKILL')
    await ended
  }

  const close = async (): Promise<void> => {
    await kill()
    await rm(folder, { recursive: true, force: true })
  }

  try {
    await start()
  } catch (error) {
    await close()
    throw error
  }
  return {
    address,
    kill,
    restart: async () => {
      await kill()
      await start()
    },
    matchRules: () => matchRules(address),
    close,
  }
}

/** Asks the daemon itself (interface org.freedesktop.DBus.Debug.Stats). */
async function matchRules(address: string): Promise<ReadonlyMap<string, readonly string[]>> {
  const bus = sessionBus({ busAddress: address })
  try {
    const ask = (iface: string, member: string): Promise<Message | null> =>
      bus.call(
        new Message({
          destination: 'org.freedesktop.DBus',
          path: '/org/freedesktop/DBus',
          interface: `org.freedesktop.DBus${iface}`,
          member,
        }),
      )
    const names = (await ask('', 'ListNames'))?.body[0] as string[]
    const rules = (await ask('.Debug.Stats', 'GetAllMatchRules'))?.body[0] as Record<string, string[]>
    const unique = names.filter(name => name.startsWith(':') && name !== bus.name)
    return new Map(unique.map(name => [name, rules[name] ?? []]))
  } finally {
    bus.disconnect()
  }
}
