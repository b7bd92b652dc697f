import { Fault } from '../base/fault.ts'
import { parseAddress } from '../base/portname.ts'
import type { CallBody, Handlers } from '../control/api.ts'
import type { Gateway } from './gateway.ts'

/** How long a person has to type what the device shows. */
const passkeyMs = 45_000

/** Pairing as a person does it: one at a time, and the digits come by a call of their own. */
export interface Pairing {
  pair: Handlers['pair']
  passkey: Handlers['passkey']
}

/** Starts with nobody pairing. */
export function pairing({ ways }: Gateway): Pairing {
  let waiting: { port: string; take(passkey: number | undefined): void } | undefined
  let busy: string | undefined

  const passkeyOf = (port: string): Promise<number | undefined> =>
    new Promise(resolve => {
      const timer = setTimeout(() => take(undefined), passkeyMs)
      const take = (passkey: number | undefined): void => {
        clearTimeout(timer)
        waiting = undefined
        resolve(passkey)
      }
      waiting = { port, take }
    })

  return {
    async pair({ port }, send, end) {
      const address = parseAddress(port)
      if (address.kind !== 'ble') throw new Fault('input.invalid', `${port} is no BLE device`)
      if (busy !== undefined) {
        throw new Fault('ble.refused', `${busy} is being paired just now`, { hint: 'wait until it is done' })
      }
      busy = port
      try {
        send({ step: 'pairing', detail: address.address })
        const words = {
          passkey: () => {
            send({ step: 'passkey', detail: 'the six digits that the device shows' })
            return passkeyOf(port)
          },
          show: (passkey: string) => send({ step: 'passkey', detail: `type at the device: ${passkey}` }),
        }
        await ways.radio().pair(address.address, words, end)
        send({ step: 'paired', detail: address.address })
      } finally {
        waiting?.take(undefined)
        busy = undefined
      }
    },
    async passkey({ port, passkey }: CallBody<'passkey'>) {
      if (waiting?.port !== port) {
        throw new Fault('input.invalid', `nobody waits for the digits of ${port}`, {
          hint: 'start anew: vitalgate device add',
        })
      }
      waiting.take(passkey)
      return {}
    },
  }
}
