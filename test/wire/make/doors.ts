import { type Holder, join, publicOf, text64 } from '../forge.ts'
import { gateway, registry, root } from '../samples.ts'
import type { Vector } from '../vector.ts'
import { refusedKeys } from './keys.ts'
import { requestBody, signedPublic } from './public.ts'

/** A key that every message verifies under or that seals to everybody, and one with a second spelling (WIRE 2.3). */
const refused = {
  ed25519: {
    'small-order': refusedKeys.ed25519['order-8']!,
    'non-canonical': refusedKeys.ed25519['p-plus-18']!,
  },
  x25519: { 'small-order': refusedKeys.x25519['order-8']!, 'non-canonical': refusedKeys.x25519['top-bit']! },
} as const
const sorts = ['small-order', 'non-canonical'] as const

type Keyed = Record<string, unknown> & { keys: object }

/** Every member of a public statement through which a key enters. */
const members = [
  ['binding', 'sign', 'ed25519'],
  ['binding', 'box', 'x25519'],
  ['server-entry', 'box', 'x25519'],
  ['server-entry', 'receipt', 'ed25519'],
  ['server-entry', 'command', 'ed25519'],
  ['request', 'sign', 'ed25519'],
  ['request', 'box', 'x25519'],
] as const

/** The same at every other door: an operator's key, and the two roots of a bundle. */
function others(sort: (typeof sorts)[number]): Vector[] {
  const key = text64(refused.ed25519[sort])
  const by = (type: string, who: Holder): object => publicOf(type, JSON.stringify(registry[type]), who)
  const bundle = (change: object): Uint8Array =>
    join(
      JSON.stringify({
        ...{
          bundle: 1,
          gateway: gateway.id,
          root: text64(root.sign.publicKey),
          successor: null,
          operators: [],
        },
        ...{ binding: by('binding', root), serverEntry: by('server-entry', root), certificate: '' },
        ...change,
      }),
    )
  const inBundle = (name: string, change: object): Vector => ({
    name: `door-bundle-${name}-${sort}`,
    head: {
      comment: `a ${name} in a bundle: ${sort.replace('-', ' ')}`,
      kind: 'bundle',
      expect: 'malformed',
    },
    bytes: bundle(change),
  })
  return [
    signedPublic(`door-operator-${sort}`, `an operator: ${sort.replace('-', ' ')}`, 'malformed', 'operator', {
      ...registry.operator,
      key,
    }),
    inBundle('root', { root: key }),
    inBundle('successor', { successor: key }),
    inBundle('operator', {
      operators: [publicOf('operator', JSON.stringify({ ...registry.operator, key }), root)],
    }),
  ]
}

/** Every door of WIRE 2.3 with a key of small order, and one that is not canonical. */
export function doorVectors(): Vector[] {
  const bodyOf = (type: string): Keyed => (type === 'request' ? requestBody() : registry[type]) as Keyed
  const known = members.flatMap(([type, member, use]) =>
    sorts.map(sort => {
      const body = bodyOf(type)
      const keys = { ...body.keys, [member]: text64(refused[use][sort]) }
      const comment = `the ${member} key of a ${type}: ${sort.replace('-', ' ')}`
      return signedPublic(`door-${type}-${member}-${sort}`, comment, 'malformed', type, { ...body, keys })
    }),
  )
  return [...known, ...sorts.flatMap(others)]
}
