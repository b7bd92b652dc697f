/** Every fault code of the program: the folder's word first, then what is wrong. Listed in docs/CLI.md. */
export type FaultCode =
  | 'node.too-old'
  | 'usage'
  | 'interrupted'
  | 'input.invalid'
  | 'file.missing'
  | 'file.unreadable'
  | 'disk.full'
  | 'permission'
  | 'config.invalid'
  | 'key.missing'
  | 'key.locked'
  | 'key.invalid'
  | 'port.missing'
  | 'port.refused'
  | 'port.gone'
  | 'ble.absent'
  | 'ble.off'
  | 'ble.unpaired'
  | 'ble.refused'
  | 'ble.lost'
  | 'capture.invalid'
  | 'driver.unknown'
  | 'driver.invalid'
  | 'frame.check'
  | 'frame.malformed'
  | 'frame.too-long'
  | 'wire.malformed'
  | 'wire.unopened'
  | 'wire.wrong-type'
  | 'wire.wrong-audience'
  | 'wire.unknown-key'
  | 'wire.bad-signature'
  | 'wire.too-large'
  | 'outbox.full'
  | 'outbox.damaged'
  | 'outbox.locked'
  | 'outbox.reopening'
  | 'receipt.refused'
  | 'command.replayed'
  | 'command.late'
  | 'command.expired'
  | 'command.unknown'
  | 'command.busy'
  | 'command.unordered'
  | 'command.order-unknown'
  | 'command.order-revoked'
  | 'command.order-foreign'
  | 'command.order-late'
  | 'command.outdated'
  | 'abandon.refused'
  | 'route.refused'
  | 'route.moves'
  | 'server.former'
  | 'server.unpinned'
  | 'server.unreachable'
  | 'server.refused'
  | 'server.expired'
  | 'certificate.expired'
  | 'identity.unprovisioned'
  | 'identity.provisioned'
  | 'bundle.invalid'
  | 'bundle.foreign'
  | 'words.mismatch'
  | 'control.absent'
  | 'control.refused'
  | 'device.unknown'
  | 'device.exists'
  | 'device.changed'
  | 'registry.known'
  | 'registry.unknown'
  | 'registry.missing'
  | 'registry.moved'
  | 'registry.held'
  | 'flag.unknown'
  | 'store.damaged'
  | 'alert.undelivered'
  | 'broker.port'

/** What else a fault can tell: a hint for the person at the keyboard, and the error underneath. */
export interface FaultDetail {
  hint?: string
  cause?: unknown
}

/**
 * Something that can go wrong in the field. The message is lower-case, ends without a full stop and
 * contains the value; it never contains a secret or a health value. Anything thrown that is not a
 * Fault is a bug and ends the process.
 */
export class Fault extends Error {
  override readonly name = 'Fault'
  readonly code: FaultCode
  readonly hint: string | undefined

  constructor(code: FaultCode, message: string, detail: FaultDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause })
    this.code = code
    this.hint = detail.hint
  }
}

/** Whether an error is a Fault, of this code if one is named. */
export function isFault(error: unknown, code?: FaultCode): error is Fault {
  return error instanceof Fault && (code === undefined || error.code === code)
}

/**
 * The `code` that Node, SQLite and OpenSSL put on their errors, or undefined. Under jest the errors of
 * node:crypto are not `instanceof Error`, so the member is what decides.
 */
export function codeOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null) return undefined
  const code = (error as { code?: unknown }).code
  return typeof code === 'string' ? code : undefined
}
