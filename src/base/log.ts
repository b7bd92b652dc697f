import { type DestinationStream, destination, type Logger, pino } from 'pino'
import { Fault } from './fault.ts'
import { plainWord } from './plain.ts'

const levels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace'] as const
type Level = (typeof levels)[number]
/** The same, for words that may be none of them: `silent` tells nothing. */
const ranks: readonly string[] = levels

/** Tells one thing: in fields and fixed words (`log.info({ seq, port }, 'taken')`), or in words alone. */
type Tell = (fields: object | string, words?: string) => void

/** Tells what happens. A part of the program takes its own: `log.child({ part: 'uplink' })`. */
export type Log = Record<Level, Tell> & { child(fields: object): Log }

/** The log of a whole program: how much it and all its parts tell may be changed. */
export type RootLog = Log & { relevel(level: Level): void }

/**
 * The only fields that are ever written. What a person's body or a key says has no name here, so it cannot
 * be logged at any level; a field that is missing here is left out and its name told as `withheld`.
 */
const fields = new Set(
  `part device driver station port gateway server broker site epoch seq head upTo id count bytes quota ms mono
  rows queued sent receipted reopened forgotten window attempt delay state phase reason outcome status
  signal path version change software node pid boot clock source uncertainty code hint flag type kid akid
  fingerprint subject issuer until notAfter client topic size limit intent verb step err`.split(/\s+/),
)

/** A second net, should one of these ever be let in above. */
const secrets = ['band', 'resident', 'values', 'value', 'raw', 'frame', 'seed', 'secret', 'key', 'passphrase']

const textLimit = 500

/** An error as it may be written: a Fault by what it tells people, any other by where it was thrown. */
function errorField(error: unknown): object {
  if (error instanceof Fault) return { code: error.code, message: error.message, hint: error.hint }
  if (!(error instanceof Error)) return { code: 'bug' }
  // a foreign error's message may quote data; its place in the program never does
  const trace = (error.stack ?? '').split('\n').filter(line => /^\s+at /.test(line))
  return { code: (error as { code?: unknown }).code ?? 'bug', name: error.name, trace: trace.slice(0, 12) }
}

function admit(given: object): Record<string, unknown> {
  const admitted: Record<string, unknown> = {}
  const withheld: string[] = []
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue
    if (name === 'err') admitted.err = errorField(value)
    else if (!fields.has(name) || (typeof value === 'object' && value !== null)) withheld.push(name)
    else admitted[name] = typeof value === 'string' ? plainWord(value.slice(0, textLimit)) : value
  }
  return withheld.length === 0 ? admitted : { ...admitted, withheld: withheld.join(' ') }
}

/** Words are fixed; where a number was put into them all the same, it is not written. */
const fixed = (words: string): string => words.slice(0, textLimit).replace(/\d+/g, '#')

function wrap(logger: Logger, least: () => string): Log {
  const tell =
    (level: Level): Tell =>
    (given, words = '') => {
      if (levels.indexOf(level) > ranks.indexOf(least())) return
      if (typeof given === 'string') logger[level](fixed(given))
      else logger[level](admit(given instanceof Error ? { err: given } : given), fixed(words))
    }
  return {
    fatal: tell('fatal'),
    error: tell('error'),
    warn: tell('warn'),
    info: tell('info'),
    debug: tell('debug'),
    trace: tell('trace'),
    child: given => wrap(logger.child(admit(given)), least),
  }
}

/** The log of a program: JSON lines, to stderr unless a test takes them, since stdout is data. */
export function makeLog(
  level: string,
  to: DestinationStream = destination({ dest: 2, sync: true }),
): RootLog {
  let least = level
  const log = wrap(
    pino(
      {
        level: 'trace',
        base: null,
        timestamp: pino.stdTimeFunctions.isoTime,
        formatters: { level: label => ({ level: label }) },
        serializers: { err: error => error },
        redact: { paths: secrets.flatMap(name => [name, `*.${name}`]), censor: '[withheld]' },
      },
      to,
    ),
    () => least,
  )
  return {
    ...log,
    relevel(next) {
      least = next
    },
  }
}
