import type { Bytes } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import { codeOf, type Fault } from '../base/fault.ts'
import type { Said } from '../driver/driver.ts'
import { type Outcome, openSession, type Session } from '../driver/session.ts'
import type { Setup } from '../driver/setup.ts'
import type { After, Port } from '../transport/port.ts'

/** What a technician wants to know of a device. Times in milliseconds since 1970. */
export interface DeviceFacts {
  state: 'open' | 'waiting' | 'gone' | 'refused'
  faults: number
  lastFault?: { code: string; message: string; at: number }
}

/** A device that is being listened to. */
export interface Device {
  facts(): DeviceFacts
  stop(): Promise<void>
}

/** What one device needs: the driver with its options, the port, and who listens. */
export interface DeviceParts {
  setup: Setup
  port: Port
  clock: Clock
  after: After
  /** Something counts: said by this frame, heard at this steady time. Never throws. */
  said(said: Said, frame: Bytes, mono: number): void
}

/** Opens the port and listens until stopped; each time the line is back, the session begins anew. */
export function listen({ setup, port, clock, after, said }: DeviceParts): Device {
  let session: Session | undefined
  let callOff: () => void = () => {}
  let gone: Fault | undefined
  let faults = 0
  let lastFault: DeviceFacts['lastFault']

  const fault = (code: string, message: string): void => {
    faults++
    lastFault = { code, message, at: clock.now() }
  }

  const take = (outcomes: Outcome[], mono: number): void => {
    for (const { frame, heard, said: counts } of outcomes) {
      if ('fault' in heard) fault(heard.fault, heard.why)
      if (counts !== undefined) said(counts, frame, mono)
    }
    send()
    callOff()
    const due = session?.due()
    callOff =
      due === undefined
        ? () => {}
        : after(Math.max(0, due - clock.mono()), () => {
            if (session !== undefined) take(session.rest(clock.mono()), clock.mono())
          })
  }

  const send = (): void => {
    for (const bytes of session?.sends() ?? []) {
      // a line that is gone is told by the port itself; the session begins anew when it is back
      port
        .write(bytes)
        .catch((why: unknown) => fault(codeOf(why) ?? 'port.gone', `could not write to ${port.name}`))
    }
  }

  port.open({
    chunk(bytes, mono) {
      if (session !== undefined) take(session.hear(bytes, mono), mono)
    },
    back() {
      gone = undefined
      session = openSession(setup, clock.mono())
      take([], clock.mono())
    },
    gone(why) {
      gone = why
      const ended = session?.end(clock.mono()) ?? []
      session = undefined
      take(ended, clock.mono())
      fault(why.code, why.message)
    },
  })

  return {
    facts() {
      const state = port.state()
      const shown = {
        open: 'open',
        waiting: 'waiting',
        missing: 'gone',
        refused: 'refused',
        opening: 'waiting',
        closed: 'waiting',
      } as const
      const last = lastFault === undefined ? {} : { lastFault }
      return { state: gone?.code === 'port.refused' ? 'refused' : shown[state], faults, ...last }
    },
    async stop() {
      callOff()
      await port.close()
    },
  }
}
