import { hex, unbase64url } from '../base/bytes.ts'
import { Fault } from '../base/fault.ts'
import { type VerifyKey, verifyKey } from '../wire/keys.ts'
import { type RegistryBody, type RegistryType, verifyRegistry } from '../wire/registry.ts'
import { decodeBody, type PublicStatement, statementHash, unpublish } from '../wire/statement.ts'
import { type Pins, retiredLimit } from './keys.ts'

/** The registry's roots as this gateway believes in them. */
export interface Roots {
  /**
   * The body of a public statement under the root or its successor, or one of these other keys. What a former root
   * signed holds where it was held when its successor took over, and nowhere else (WIRE 9.12). Faults `wire.…`,
   * `route.refused`.
   */
  prove<T extends RegistryType>(
    type: T,
    form: PublicStatement,
    others?: readonly VerifyKey[],
  ): RegistryBody<T>
  /** Whether a key id is that of a root: the present one, its successor, or a former one. */
  has(kid: string): boolean
  /** Whether a key id is the pinned successor's. */
  succeeds(kid: string): boolean
}

const keyOf = (text: string): VerifyKey => verifyKey(unbase64url(text))

const hashOf = (form: PublicStatement): string => hex(statementHash(unpublish(form)))

/** The roots that these pins name. */
export function rootsOf({ root, successor, retired }: Pick<Pins, 'root' | 'successor' | 'retired'>): Roots {
  const heir = successor === null ? undefined : keyOf(successor)
  const present = [keyOf(root), ...(heir === undefined ? [] : [heir])]
  const former = (retired?.keys ?? []).map(keyOf)
  const believed = new Set(retired?.believed)
  return {
    prove: (type, form, others = []) => {
      const statement = unpublish(form)
      const { kid } = decodeBody(statement.body)
      const named = (one: VerifyKey): boolean => one.kid === kid
      const key = [...present, ...others].find(named)
      if (key !== undefined) return verifyRegistry(type, statement, key)
      const before = former.find(named)
      if (before === undefined) throw new Fault('wire.unknown-key', `${type} names key ${String(kid)}`)
      const body = verifyRegistry(type, statement, before)
      // of the chain of revocations only those that concern this box are kept: the others are known by number
      const seen = 'number' in body && body.number <= (retired?.revocations ?? 0)
      if (seen || believed.has(hex(statementHash(statement)))) return body
      throw new Fault('route.refused', `${type} is signed by a root whose successor has taken over`)
    },
    has: kid => [...present, ...former].some(one => one.kid === kid),
    succeeds: kid => heir?.kid === kid,
  }
}

/** The pins with the successor as the root; of the former root only what is held now counts from then on. */
export function succeed(pins: Pins, held: readonly PublicStatement[]): Pins {
  const { root, successor, retired, versions } = pins
  if (successor === null) return pins
  const believed = [...new Set([...held.map(hashOf), ...(retired?.believed ?? [])])]
  return {
    ...pins,
    root: successor,
    successor: null,
    retired: {
      keys: [...(retired?.keys ?? []), root].slice(-retiredLimit.keys),
      believed: believed.slice(0, retiredLimit.believed),
      revocations: versions.revocations ?? 0,
    },
  }
}
