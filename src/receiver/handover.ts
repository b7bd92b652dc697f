import { z } from 'zod'
import { unbase64url } from '../base/bytes.ts'
import { Fault, isFault } from '../base/fault.ts'
import { verifyKey } from '../wire/keys.ts'
import { id } from '../wire/members.ts'
import { type Binding, publicForm, signRegistry, verifyRegistry } from '../wire/registry.ts'
import { decodeBody, publish, type Statement, unpublish } from '../wire/statement.ts'
import { type CheckedEnrolment, checkRequest } from './enrol.ts'
import { type AcceptedDevice, isRevoked, type Registry } from './registry.ts'
import { newestEnrolment } from './registry-enrolments.ts'
import { insertStatement } from './registry-rows.ts'
import { operatorSigner } from './revoke.ts'
import type { Store } from './store.ts'

/** What one server gives another about a gateway that is to move there: what the root signed, and the request. */
const handoverForm = z.strictObject({
  handover: z.literal(1),
  gateway: id,
  binding: publicForm,
  request: publicForm,
  devices: z.strictObject({ list: publicForm, operator: publicForm }).nullable(),
})

/** Whether a text is such a file, in order or not. */
export const isHandover = (text: string): boolean => /^\s*\{\s*"handover"\s*:/.test(text)

/** The file with which another server of the same root enrols a gateway of this one. It holds no secret. */
export function handoverText(store: Store, registry: Registry, gateway: string): string {
  const binding = registry.statement('binding', gateway)
  const row = newestEnrolment(store.db, gateway)
  if (binding === undefined || row === undefined) {
    throw new Fault('registry.unknown', `gateway ${gateway} is not enrolled here`)
  }
  if (isRevoked(registry, gateway)) throw new Fault('registry.known', `gateway ${gateway} was revoked`)
  const moved = registry.moved(gateway)
  if (moved !== undefined) {
    throw new Fault('registry.moved', `gateway ${gateway} belongs to server ${moved.server} by now`, {
      hint: 'ask for the file there',
    })
  }
  const request = publicForm.parse(JSON.parse(row.request))
  const devices = acceptedHere(registry, gateway)
  return `${JSON.stringify({ handover: 1, gateway, binding: publish(binding), request, devices })}\n`
}

/** The newest device list with the certificate of the operator who signed it; null before the first. */
function acceptedHere(registry: Registry, gateway: string) {
  const list = registry.statement('device-list', gateway)
  if (list === undefined || registry.devices(gateway).version === 0) return null
  const { kid } = decodeBody(list.body)
  const signer = registry.operators().find(one => one.key.kid === kid)
  const operator = signer === undefined ? undefined : registry.statement('operator', signer.name)
  return operator === undefined ? null : { list: publish(list), operator: publish(operator) }
}

/** A handover that was found in order: the root bound exactly these keys, to another server. */
export interface Handover {
  request: CheckedEnrolment
  binding: Binding
  statement: Statement
  /** What an operator of the other server had accepted. */
  devices: AcceptedDevice[]
}

/** Reads a handover. Nobody compares words: the root of this registry vouches for the keys. Fault `input.invalid`. */
export async function readHandover(text: string, name: string, registry: Registry): Promise<Handover> {
  const refuse = (why: string, cause?: unknown): Fault =>
    new Fault('input.invalid', `${name} is refused: ${why}`, {
      hint: 'let the other server write it again: vitalgate-receiver registry show GATEWAY --request FILE',
      cause,
    })
  let form: z.infer<typeof handoverForm>
  let binding: Binding
  let statement: Statement
  let devices: AcceptedDevice[] = []
  try {
    form = handoverForm.parse(JSON.parse(text))
    statement = unpublish(form.binding)
    const { kid } = decodeBody(statement.body)
    const root = registry.roots.find(key => key.kid === kid)
    if (root === undefined)
      throw new Fault('wire.unknown-key', 'its binding is not under the root of this registry')
    binding = verifyRegistry('binding', statement, root)
    if (form.devices !== null) {
      const operator = verifyRegistry('operator', unpublish(form.devices.operator), root)
      const key = verifyKey(unbase64url(operator.key))
      const list = verifyRegistry('device-list', unpublish(form.devices.list), key)
      if (list.gateway !== binding.gateway)
        throw new Fault('input.invalid', 'its devices are those of another gateway')
      devices = list.devices
    }
  } catch (cause) {
    throw refuse(isFault(cause) ? cause.message : 'it is none of a VG1 server', cause)
  }
  const request = await checkRequest(JSON.stringify(form.request), name)
  const { sign, box, tls } = binding.keys
  const asked = [request.body.gateway, request.body.keys.sign, request.body.keys.box, request.csr.pin]
  if (asked.join() !== [binding.gateway, sign, box, tls].join() || form.gateway !== binding.gateway) {
    throw refuse('its request is not that of its binding')
  }
  return { request, binding, statement, devices }
}

/**
 * Enters the other server's binding, so that the next one follows it here. Faults `registry.known` where this server
 * has the gateway, or knows a later binding.
 */
export function takeHandover(
  store: Store,
  registry: Registry,
  { binding, statement }: Handover,
  { actor, now: at }: { actor: string; now: number },
): void {
  const { gateway, version, server } = binding
  store.write(() => {
    const known = registry.versions(gateway).binding
    if (server === registry.server.id) {
      throw new Fault(
        'registry.known',
        `the file is of this very server: gateway ${gateway} is enrolled here`,
      )
    }
    // done before, and perhaps the next one follows it already
    if (registry.bindingAt(gateway, version) === server) return
    if (known >= version || (known > 0 && registry.moved(gateway) === undefined)) {
      throw new Fault(
        'registry.known',
        `binding ${known} of ${gateway} is known here, the file has ${version}`,
        {
          hint: 'on this server: vitalgate-receiver registry move, with the bundle of the one where it went',
        },
      )
    }
    if (isRevoked(registry, gateway)) throw new Fault('registry.known', `gateway ${gateway} was revoked here`)
    insertStatement(store.db, { subject: gateway, version, statement, at, actor })
  })
}

/**
 * Accepts here what was accepted at the other server, under the key of this server's operator: nobody must look at
 * the same devices twice. Nothing where there is nothing new. Faults `key.…`, `store.damaged`.
 */
export function acceptHanded(
  state: string,
  store: Store,
  registry: Registry,
  { binding: { gateway }, devices }: Handover,
  { actor, now: at }: { actor: string; now: number },
): void {
  if (devices.length === 0) return
  const key = operatorSigner(state, registry)
  store.write(() => {
    const { devices: held, hash, version } = registry.devices(gateway)
    for (const damage of registry.damage()) throw damage
    const all = new Map([...held, ...devices].map(one => [one.device, one]))
    if (held.length === all.size && held.every(one => all.get(one.device)?.proposal === one.proposal)) return
    const body = { gateway, version: version + 1, before: hash, devices: [...all.values()] }
    const statement = signRegistry('device-list', body, key)
    insertStatement(store.db, { subject: gateway, version: version + 1, statement, at, actor })
  })
}
