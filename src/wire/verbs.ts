import { z } from 'zod'
import { problems } from '../base/check.ts'
import { Fault } from '../base/fault.ts'
import { type Args, id, kid, name, text } from './members.ts'

/**
 * Settings that may be changed from afar. None names an address, a path or a port, and none turns a check off; what
 * each may be, the gateway's configuration tells.
 */
export const settingNames = ['log.level', 'station.window', 'station.claim', 'uplink.heartbeat'] as const
export type SettingName = (typeof settingNames)[number]

const none = z.strictObject({})

/** What is given up (WIRE 9.14): what waits for a former server, or what a revoked key signed. */
const abandoned = z
  .strictObject({ server: id.optional(), key: kid.optional() })
  .refine(
    ({ server, key }) => (server === undefined) !== (key === undefined),
    'must be server or key',
  ) as z.ZodType<{ server: string } | { key: string }>

/** What a gateway can be commanded to do (WIRE 7.12), and with what. A dangerous one needs an operator's order. */
export const verbs = {
  ping: { dangerous: false, args: none, example: '' },
  status: { dangerous: false, args: none, example: '' },
  devices: { dangerous: false, args: none, example: '' },
  identify: { dangerous: false, args: none, example: '' },
  restart: { dangerous: true, args: none, example: '' },
  'config-set': {
    dangerous: true,
    args: z.strictObject({ key: z.enum(settingNames), value: text.min(1) }),
    example: '--arg key=log.level --arg value=debug',
  },
  'capture-start': {
    dangerous: true,
    args: z.strictObject({ device: name, seconds: z.int().min(1).max(600) }),
    example: '--arg device=scale-1 --arg seconds=60',
  },
  'capture-stop': { dangerous: false, args: none, example: '' },
  rotate: { dangerous: true, args: none, example: '' },
  wipe: { dangerous: true, args: none, example: '' },
  abandon: {
    dangerous: true,
    args: abandoned,
    example: '--arg key=0123456789abcdef',
  },
} as const

export type VerbName = keyof typeof verbs
export type VerbArgs<V extends VerbName> = z.infer<(typeof verbs)[V]['args']>

/** Whether the word is a verb of this edition. */
export const isVerb = (word: string): word is VerbName => Object.hasOwn(verbs, word)

const obeyedBelow: ReadonlySet<string> = new Set<VerbName>(['ping', 'status', 'devices', 'restart'])

/**
 * Whether a gateway below the lowest version that its server wants obeys it: what only tells, and `restart`, which
 * begins the newer program once that was installed.
 */
export const isObeyedBelow = (verb: string): boolean => obeyedBelow.has(verb)

/** Those that need an operator's order, for people. */
export const dangerousVerbs = Object.entries(verbs).flatMap(([verb, { dangerous }]) =>
  dangerous ? [verb] : [],
)

/** The arguments as this verb takes them; both ends ask. Fault `input.invalid` that names the first which does not fit. */
export function verbArgs<V extends VerbName>(verb: V, args: Args): VerbArgs<V> {
  const form = verbs[verb].args
  const read = form.safeParse(args)
  if (read.success) return read.data as VerbArgs<V>
  const [first] = problems(form, args)
  const { example } = verbs[verb]
  throw new Fault('input.invalid', `${verb}: argument ${first!.path}: ${first!.problem}`, {
    hint: example === '' ? `${verb} takes no arguments` : `such as ${example}`,
  })
}
