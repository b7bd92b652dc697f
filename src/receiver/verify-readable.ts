import { codeOf, isFault } from '../base/fault.ts'
import type { Doubted, Message } from './verify.ts'

/** What a stranger wrote, fit for a terminal. */
export const printable = (text: string): string => text.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 200)

/** A bug that one message brings out; faults and what the database throws concern all messages (WIRE 12.2). */
export const isBug = (error: unknown): boolean => !isFault(error) && !codeOf(error)?.startsWith('SQLITE_')

/**
 * Does what is done for one message. Where that brings out a bug of this program, the message is doubted as
 * UNREADABLE, and only the error's name is told: its words may quote the message.
 */
export function readable<T>(message: Message, gatewayOf: () => string | null, work: () => T): T | Doubted {
  try {
    return work()
  } catch (error) {
    if (!isBug(error)) throw error
    const name = (error as { name?: unknown } | null | undefined)?.name
    const why = typeof name === 'string' ? printable(name) : 'something that is no error'
    return { flag: 'UNREADABLE', gateway: gatewayOf(), why, message, bug: error }
  }
}
