import { unbase64url } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import { boxPublic, type SigningKey } from '../wire/keys.ts'
import { registryBodies, type ServerEntry } from '../wire/registry.ts'
import { decodeBody, type PublicStatement, pae, publish } from '../wire/statement.ts'
import { entryFacts } from './server-entry.ts'

/** Most server entries in one file: one of a server can follow at a time. */
export const entriesLimit = 4

/** A server entry that waits for the root. */
export interface EntryToSign {
  body: Uint8Array<ArrayBuffer>
  entry: ServerEntry
  /** What a person compares with the line that the server's operator reads out. */
  facts: [string, string][]
}

/** A server entry that a file asks this root to sign for this server. Faults `input.invalid`, `key.invalid`. */
export function readEntry(text: string, server: string, root: SigningKey): EntryToSign {
  const body = unbase64url(text)
  const found = registryBodies['server-entry'].safeParse(decodeBody(body))
  if (!found.success || found.data.server !== server) {
    throw new Fault('input.invalid', 'a server entry is not in order')
  }
  const entry = found.data
  if (entry.kid !== root.kid) {
    throw new Fault(
      'key.invalid',
      `server entry ${entry.version} is for root ${entry.kid}, this is ${root.kid}`,
    )
  }
  return { body, entry, facts: entryFacts(entry, boxPublic(unbase64url(entry.keys.box)).kid) }
}

/** The entry under the root: exactly the bytes that were asked for. */
export const signedEntry = ({ body }: EntryToSign, root: SigningKey): PublicStatement =>
  publish({ type: 'server-entry', body, signature: root.sign(pae('server-entry', body)) })
