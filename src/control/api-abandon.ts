import { z } from 'zod'
import { word } from './api-devices.ts'

const count = z.int().min(0)

/** What `outbox abandon` sends: the order's file, and whether a person agreed to lose what it gives up. */
export const abandonBody = z.strictObject({ order: z.string().max(32_768), agreed: z.boolean() })

/** What is lost by an order: `asked` so far only told, `done` now, `already` before. Nulls where nobody could count. */
export const abandonAnswer = z.strictObject({
  state: z.enum(['asked', 'done', 'already']),
  intent: word,
  operator: word,
  what: z.enum(['server', 'key']),
  /** The former server, or the revoked key. */
  id: word,
  /** Statements without a receipt, and when the first and the last of them were taken. */
  rows: count.nullable(),
  first: count.nullable(),
  last: count.nullable(),
})
export type AbandonAnswer = z.infer<typeof abandonAnswer>

/** An epoch of which rows were given up, by which order. */
export const forsaken = z.strictObject({ epoch: word, rows: count, intent: word })
