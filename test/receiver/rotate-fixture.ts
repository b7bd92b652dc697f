import { boxKey, signingKey } from '../../src/wire/keys.ts'
import type { Place } from '../../src/wire/members.ts'
import { type Bench, boundAs, gateway, type Holder, type Said, time, unchained } from './fixture.ts'

/** The gateway with the keys of its binding of this version; version 1 are those of the fixture. */
export const keysOf = (version: number): Holder =>
  version === 1
    ? gateway
    : {
        id: gateway.id,
        key: signingKey(new Uint8Array(32).fill(0x80 + version)),
        box: boxKey(new Uint8Array(32).fill(0xa0 + version)),
      }

/** The root binds the gateway's keys of this version; those before stay in the registry. */
export function bind(it: Pick<Bench, 'gateways' | 'older'>, version: number): Holder {
  const held = it.gateways.get(gateway.id)!
  it.older.set(gateway.id, [...(it.older.get(gateway.id) ?? []), held])
  it.gateways.set(gateway.id, boundAs(keysOf(version), version))
  return keysOf(version)
}

let nonces = 0

/** A hello under these keys that names these places. */
export function helloOf(who: Holder, named: readonly Said[], mono = 1000, epoch?: string, boot?: string) {
  nonces += 1
  const last = named.at(-1)
  const epochs: Place[] =
    last === undefined || epoch === undefined ? [] : [{ epoch, seq: last.seq, head: last.head }]
  const clock = { ...time(mono), ...(boot === undefined ? {} : { boot }) }
  return unchained(who, 'hello', {
    nonce: nonces.toString(16).padStart(32, '0'),
    boot: clock.boot,
    epochs,
    token: 0,
    software: '0.1.0',
    drivers: 'd'.repeat(64),
    clock,
    versions: { binding: 1, serverEntry: 1, devices: 1, revocations: 0 },
  })
}
