import { hex, sha256 } from '../base/bytes.ts'
import { encodeBody } from '../wire/statement.ts'

/** What a person did about a flag, as far as the log holds it. */
export interface ActRow {
  id: number
  act: 'released' | 'reviewed'
  about: number
  at: number
  actor: string
  detail: string
}

/** How the log names an act about a flag, and its hash: over the row's compact JSON. */
export const actPlace = ({ id, about }: ActRow): string => `act ${id} about flag ${about}`
export const actHash = ({ id, act, about, at, actor, detail }: ActRow): string =>
  hex(sha256(encodeBody({ id, act, about, at, actor, detail })))

/** What waits for the root's signature on another machine. */
export interface WaitingRow {
  id: number
  gateway: string
  version: number
  request: string
  body: Uint8Array
  at: number
  actor: string
}

/** How the log names what waits, and its hash. */
export const waitingPlace = ({ id, gateway }: WaitingRow): string => `waiting ${id} of ${gateway}`
export const waitingHash = ({ id, gateway, version, request, body }: WaitingRow): string =>
  hex(sha256(encodeBody({ id, gateway, version, request, body: hex(body) })))

/** A proposal that a gateway took back, by removing the device. */
export interface RemovalRow {
  gateway: string
  proposal: string
  epoch: string
  seq: number
}

/** How the log names a removal; the place of the event is its hash, which may come to lie earlier. */
export const removalPlace = ({ gateway, proposal }: RemovalRow): string =>
  `removal of ${proposal} of ${gateway}`
export const removalHash = ({ gateway, proposal, epoch, seq }: RemovalRow): string =>
  hex(sha256(encodeBody({ gateway, proposal, epoch, seq })))
