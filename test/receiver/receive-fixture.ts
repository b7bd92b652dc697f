import type { Message } from '../../src/receiver/verify.ts'
import { pack, seal } from '../../src/wire/envelope.ts'
import { boxPublic } from '../../src/wire/keys.ts'
import { signStatement } from '../../src/wire/statement.ts'
import { topics } from '../../src/wire/topics.ts'
import { type Bench, epochOf, gateway, holder, server } from './fixture.ts'

export const up = (who = gateway) => topics(server.id, who.id).up
export const place = { epoch: 'e1e1e1e1e1e1e1e1', seq: 1 }

/** The parties of a body from the gateway to the server, some of them changed. */
export const body = (changes: object, members: object = {}) => ({
  iss: gateway.id,
  kid: gateway.key.kid,
  aud: server.id,
  akid: server.box.kid,
  ...changes,
  ...members,
})

/** A message of any type and body, signed and sealed without looking at what it says. */
export const message = (
  type: string,
  value: object,
  key = gateway.key,
  topic = up(),
  box = server.box,
): Message => ({
  topic,
  payload: pack({ ...place, envelope: seal(signStatement(type, value, key), boxPublic(box.publicKey)) }),
})

export const opening = () => epochOf(gateway, place.epoch).open()
export const stranger = holder(0x30)

/** Every act about a flag, in order. */
export const acts = ({ store }: Bench) =>
  store.all<{ flag: string; gateway: string | null; act: string }>('SELECT act, flag, gateway FROM flag_acts')
