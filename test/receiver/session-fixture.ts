import type { Outgoing } from '../../src/receiver/receipts.ts'
import { verifyKey } from '../../src/wire/keys.ts'
import { openFrom } from '../../src/wire/message.ts'
import { gateway, server, time, unchained } from './fixture.ts'

/** A hello of the gateway. */
export const hello = (nonce: string, members: object = {}) =>
  unchained(gateway, 'hello', {
    nonce: nonce.repeat(32),
    boot: 'b'.repeat(32),
    epochs: [],
    token: 0,
    software: '0.1.0',
    drivers: 'd'.repeat(64),
    clock: time(),
    versions: { binding: 1, serverEntry: 1, devices: 0, revocations: 0 },
    ...members,
  })

/** The welcome among what goes down, as its gateway opens it. */
export const opened = ([answer]: readonly Outgoing[]) =>
  openFrom(answer!.payload, ['welcome'], {
    iss: server.id,
    key: verifyKey(server.receipt.publicKey),
    aud: gateway.id,
    box: gateway.box,
  })
