import { writeSync } from 'node:fs'
import { codeOf, Fault } from './fault.ts'

/**
 * Tells systemd how the program stands (sd_notify(3)): `READY=1`, `WATCHDOG=1`, `STATUS=…`, `STOPPING=1`.
 * Whether it was told: false without systemd, or when systemd does not listen now. Node has no Unix
 * datagram sockets, so `scripts/node` connects one and hands its descriptor as VITALGATE_NOTIFY_FD.
 */
export function notify(text: string, env: NodeJS.ProcessEnv = process.env): boolean {
  const descriptor = env.VITALGATE_NOTIFY_FD
  if (descriptor === undefined) return false
  if (!/^\d{1,4}$/.test(descriptor)) {
    throw new Fault(
      'input.invalid',
      `VITALGATE_NOTIFY_FD is no descriptor (got ${JSON.stringify(descriptor)})`,
    )
  }
  try {
    writeSync(Number(descriptor), text)
    return true
  } catch (cause) {
    const code = codeOf(cause)
    // systemd takes its socket down for a moment when it starts itself anew, or is slow to read
    if (code === 'ECONNREFUSED' || code === 'ENOTCONN' || code === 'EAGAIN' || code === 'ENOBUFS')
      return false
    throw new Fault('file.unreadable', `systemd cannot be told (${code ?? 'unknown error'})`, { cause })
  }
}
