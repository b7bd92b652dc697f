import type { GatewayKeys } from '../identity/keys.ts'
import { certificatesOf } from '../identity/renewal.ts'
import type { Route } from '../identity/route.ts'
import type { Way } from '../uplink/uplink.ts'

/** Where the server of a route is, under which key it must answer, and as whom this gateway comes. */
export const wayOf = (gateway: string, { tlsKey }: GatewayKeys, route: Route): Way => ({
  receiptKey: route.receiptKey,
  // a newer certificate is tried ahead of the one that is known to do (WIRE 7.11)
  addresses: route.entry.brokers.flatMap(broker =>
    certificatesOf(route).map(certificate => ({
      broker,
      clientId: gateway,
      ca: route.entry.ca,
      pins: route.entry.pins,
      certificate,
      key: tlsKey,
    })),
  ),
})
