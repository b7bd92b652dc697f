import type { Clock } from '../base/clock.ts'
import { Fault, type FaultCode, isFault } from '../base/fault.ts'
import type { Log } from '../base/log.ts'
import type { Book } from '../identity/registry-book.ts'
import type { After } from '../transport/port.ts'
import type { CommandLine } from '../uplink/session.ts'
import type { Draft } from '../wire/chained.ts'
import type { BoxKey, VerifyKey } from '../wire/keys.ts'
import type { Args } from '../wire/members.ts'
import { saidFrom } from '../wire/message.ts'
import type { CommandBody } from '../wire/session.ts'
import type { PublicStatement, Statement } from '../wire/statement.ts'
import type { VerbArgs, VerbName } from '../wire/verbs.ts'
import { type Judged, judgeCommand } from './commands-judge.ts'
import { refusedCommands } from './commands-refused.ts'
import type { Custody, Place } from './custody.ts'
import type { Moments } from './moment.ts'
import { ration } from './ration.ts'

/** How an act ended, and what is told of it; never a secret or a health value. */
export interface Ended {
  outcome: 'done' | 'failed'
  detail: Args
}

/** Where a result was put, and whether it may still wait for its receipt. */
export interface Result {
  epoch: string
  seq: number
  waits: boolean
}

/** An end as it was wished. */
export const done = (detail: Ended['detail'] = {}): Ended => ({ outcome: 'done', detail })

/** What one verb does. Both end soon once `end` is aborted: then the daemon stops, and there is no result. */
export interface Act<V extends VerbName> {
  act(intent: string, end: AbortSignal, args: VerbArgs<V>, order: PublicStatement | null): Promise<Ended>
  /** What follows a `done` whose result is on disk. */
  follow?(result: Result, end: AbortSignal): Promise<void>
}
export type Acts = { readonly [V in VerbName]: Act<V> }

/** What commands need of the rest of the daemon. */
export interface CommandsParts {
  custody: Pick<Custody, 'begin' | 'leftOver'>
  take(draft: Draft): Promise<Place>
  /** Who commands whom, as the newest route and book have it. */
  parties(): {
    gateway: string
    server: string
    box: BoxKey
    commandKey: VerifyKey
    entryUntil: number
    /** The lowest version that the server wants, where this software is below it. */
    outdated?: string | undefined
    book: Pick<Book, 'operators' | 'behind'>
  }
  acts: Acts
  clock: Clock
  moments: Moments
  after: After
  log: Log
  /** Nothing more can be done: the daemon must end. */
  broken(why: unknown): void
}

/** The commands of one route. */
export interface Commands {
  /** Answers what the start before left; before the first command is taken. */
  start(): Promise<void>
  /** Judges a command, writes it down and begins to act; resolves when it is written down or refused. */
  take(statement: Statement, line: CommandLine): Promise<void>
  /** How many were not obeyed, by the check that failed. */
  refused(): ReadonlyMap<FaultCode, number>
  stop(): Promise<void>
}

/** Commands that are acted on at a time: the server sends them one by one, and each ends by itself. */
const actingLimit = 16

const isRefusal = ({ code }: Fault): boolean =>
  code.startsWith('wire.') ||
  code.startsWith('command.') ||
  code === 'input.invalid' ||
  code === 'outbox.full'

/** Takes commands of one server; each is acted on at most once, whatever is killed when (WIRE 7.12). */
export function openCommands(parts: CommandsParts): Commands {
  const { custody, take, acts, clock, moments, log } = parts
  const acting = new Map<string, Promise<void>>()
  const ending = new AbortController()

  const fails = (why: unknown): void => {
    if (ending.signal.aborted) return
    // an outbox that is full is no reason to end; the intent is answered as interrupted at the next start
    if (isFault(why, 'outbox.full')) log.error({ code: why.code }, 'result not taken')
    else parts.broken(why)
  }

  const refusals = refusedCommands(parts.after, detail => {
    const members = { event: 'command-refused' as const, detail }
    take({ type: 'event', time: moments.at(), members }).catch(fails)
  })

  // whoever holds the broker can send as much as the line carries
  const rarely = ration(clock, 1)

  const refuse = (why: Fault, intent: string | null): void => {
    refusals.add(why.code, intent)
    const count = rarely.take(why.code)
    if (count > 0) log.warn({ flag: 'COMMAND_REFUSED', intent, count, err: why }, 'command refused')
  }

  /** Acts, and answers with the result; what fails with a Fault is a result as well. */
  const perform = async ({ verb, args, order }: Judged, intent: string): Promise<void> => {
    const { signal } = ending
    const { act, follow } = acts[verb] as Act<VerbName>
    const { outcome, detail } = await act(intent, signal, args, order).catch((why: unknown): Ended => {
      if (!isFault(why)) throw why
      return { outcome: 'failed', detail: { code: why.code } }
    })
    if (signal.aborted) return
    const members = { intent, outcome, detail }
    const { epoch, seq } = await take({ type: 'result', time: moments.at(), members })
    log.info({ verb, intent, outcome }, 'command ended')
    if (outcome === 'done') await follow?.({ epoch, seq, waits: true }, signal)
  }

  const begin = (judged: Judged, intent: string): void => {
    const act = perform(judged, intent)
      .catch(fails)
      .finally(() => acting.delete(intent))
    acting.set(intent, act)
  }

  const judge = (statement: Statement, line: CommandLine, named: (intent: string) => void) => {
    const { gateway, server, box, commandKey, entryUntil, outdated, book } = parts.parties()
    const expected = { iss: server, key: commandKey, aud: gateway, box }
    const body: CommandBody = saidFrom(statement, ['command'], expected).body
    named(body.intent)
    const judged = judgeCommand(body, line, { gateway, entryUntil, outdated, book, mono: clock.mono() })
    return { judged, intent: body.intent }
  }

  return {
    async start() {
      const { interrupted, wipe } = await custody.leftOver(moments.at())
      for (const intent of interrupted) log.warn({ intent }, 'command was interrupted')
      if (wipe === undefined) return
      acting.set('', acts.wipe.follow!(wipe, ending.signal).catch(fails))
    },
    async take(statement, line) {
      let intent: string | null = null
      try {
        const { judged, intent: asked } = judge(statement, line, named => {
          intent = named
        })
        if (acting.has(asked)) return
        if (acting.size >= actingLimit) {
          throw new Fault('command.busy', `${acting.size} commands are being carried out`)
        }
        const { verb } = judged
        const found = await custody.begin({ intent: asked, verb, time: moments.at() })
        log.info({ verb, intent: asked, state: found }, 'command')
        if (found === 'fresh') begin(judged, asked)
      } catch (error) {
        if (!isFault(error) || !isRefusal(error)) throw error
        refuse(error, intent)
      }
    },
    refused: refusals.counts,
    async stop() {
      ending.abort()
      refusals.stop()
      await Promise.all(acting.values())
    },
  }
}
