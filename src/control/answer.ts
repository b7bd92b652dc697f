import type { ServerResponse } from 'node:http'
import { type FaultCode, isFault } from '../base/fault.ts'
import type { FaultAnswer } from './api.ts'

/** Told what was thrown and is no Fault. */
export type Bug = (error: unknown) => void

const statusOf: Partial<Record<FaultCode, number>> = {
  'input.invalid': 400,
  usage: 400,
  permission: 403,
  'device.unknown': 404,
  'device.exists': 409,
  'identity.unprovisioned': 409,
  'identity.provisioned': 409,
  'server.unreachable': 504,
  'outbox.full': 507,
}

/** What is told about something thrown; of a bug only that it is one. */
export function faultAnswerOf(error: unknown, bug: Bug): FaultAnswer {
  if (isFault(error)) {
    const { code, message, hint } = error
    return { error: hint === undefined ? { code, message } : { code, message, hint } }
  }
  bug(error)
  const hint = 'see the journal: journalctl -u vitalgate'
  return { error: { code: 'control.refused', message: 'the daemon met a bug in itself', hint } }
}

/** Ends an answer with a fault: with its status, or as the last line of a stream that has begun. */
export function answerFault(response: ServerResponse, error: unknown, bug: Bug): void {
  const body = `${JSON.stringify(faultAnswerOf(error, bug))}\n`
  if (!response.headersSent) {
    const status = isFault(error) ? (statusOf[error.code] ?? 422) : 500
    // what is left of the request is not read, so the connection cannot serve another
    response.writeHead(status, { 'content-type': 'application/json', connection: 'close' })
  }
  response.end(body)
}
