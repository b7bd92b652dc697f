import { openSync, writeSync } from 'node:fs'
import { base64url } from '../../src/base/bytes.ts'
import { acceptBundle, makeNext, makeRequest, markProvisioned } from '../../src/identity/provision.ts'
import { takeUpdate } from '../../src/identity/update.ts'
import { type Request, signRegistry } from '../../src/wire/registry.ts'
import { publish } from '../../src/wire/statement.ts'
import { rootWords } from '../../src/wire/words.ts'
import { makeBundle, makeRegistry } from '../identity/registry-stand-in.ts'
import { bodyOf, facts } from '../identity/turning.ts'
import type { Step } from './steps.ts'

// A box that is provisioned and then turns to new keys, to be cut off: it tells each step that was promised.
const [state = '', tellFile = ''] = process.argv.slice(2)
const tellTo = openSync(tellFile, 'a')
const tell = (step: Step): number => writeSync(tellTo, `${JSON.stringify(step)}\n`)
const registry = makeRegistry()

const { identity } = await makeRequest(state, facts)
const request = bodyOf<Request>(identity.request)
tell({ phase: 'requested', sign: request.keys.sign })
const bundle = makeBundle(registry, request)
acceptBundle(state, JSON.stringify(bundle), rootWords(registry.root.publicKey).join(' '))
tell({ phase: 'accepted', sign: request.keys.sign })
markProvisioned(state, facts.clock)
tell({ phase: 'provisioned', sign: request.keys.sign })

let sign = request.keys.sign
for (const version of [2, 3]) {
  const proposed = await makeNext(state, facts)
  const next = bodyOf<Request>(proposed.identity.keys.next!.request)
  tell({ phase: 'provisioned', sign, next: next.keys.sign })
  const made = makeBundle(registry, next)
  const { kid: _, ...body } = bodyOf<{ kid: string; keys: object }>(made.binding)
  const binding = publish(signRegistry('binding', { ...body, version } as never, registry.root))
  const { change, identity: turned } = takeUpdate(state, {
    ...{ statements: [binding], certificate: made.certificate, epochs: 1 },
  })
  if (change !== 'keys') throw new Error('the box did not turn to its new keys')
  sign = base64url(turned.keys.sign.publicKey)
  tell({ phase: 'provisioned', sign })
}
process.exit(0)
