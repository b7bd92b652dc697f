import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { hex, sha256 } from '../base/bytes.ts'
import {
  answers,
  args,
  epoch,
  hash,
  hex16,
  holes,
  moment,
  name,
  parties,
  pem,
  places,
  seq,
  text,
  wall,
  whole,
} from './members.ts'
import { publicForm } from './registry.ts'
import { type Statement, statementHash } from './statement.ts'

/** A fresh nonce, 32 hex digits. */
export const makeNonce = (): string => hex(randomBytes(16))

const versions = z.strictObject({
  binding: whole,
  serverEntry: whole,
  devices: whole,
  revocations: whole,
})
export type Versions = z.infer<typeof versions>

/** The schema of each unchained sealed type's body (WIRE 7). */
export const sessionBodies = {
  hello: z.strictObject({
    ...parties,
    nonce: hex16,
    boot: hex16,
    epochs: places,
    token: whole,
    software: text,
    drivers: hash,
    clock: moment,
    versions,
  }),
  welcome: z.strictObject({
    ...parties,
    nonce: hex16,
    serverNonce: hex16,
    epochs: answers,
    status: z.enum(['ok', 'hold']),
    token: seq,
    time: wall,
    minVersion: text,
    versions,
  }),
  ready: z.strictObject({ ...parties, serverNonce: hex16, token: seq, seen: hash }),
  receipt: z.strictObject({ ...parties, epoch, seq, head: hash, holes, time: wall }),
  update: z.strictObject({
    ...parties,
    nonce: hex16,
    statements: z.array(publicForm).max(8),
    certificate: pem.optional(),
  }),
  command: z.strictObject({
    ...parties,
    nonce: hex16,
    intent: hex16,
    verb: name,
    args,
    order: publicForm.nullable(),
  }),
} as const

export type SessionType = keyof typeof sessionBodies
export type HelloBody = z.infer<(typeof sessionBodies)['hello']>
export type WelcomeBody = z.infer<(typeof sessionBodies)['welcome']>
export type ReadyBody = z.infer<(typeof sessionBodies)['ready']>
export type UpdateBody = z.infer<(typeof sessionBodies)['update']>
export type CommandBody = z.infer<(typeof sessionBodies)['command']>
export type ReceiptBody = z.infer<(typeof sessionBodies)['receipt']>

/** What READY proves to have seen (WIRE 7.4). */
export const seenHash = (hello: Statement, welcome: Statement): string =>
  hex(sha256('VG1 ready', statementHash(hello), statementHash(welcome)))
