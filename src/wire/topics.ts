import { idGrammar } from './members.ts'

/** Where a gateway speaks and listens (WIRE 8.2). */
export const topics = (server: string, gateway: string): { up: string; down: string } => ({
  up: `vitalgate/1/${server}/${gateway}/up`,
  down: `vitalgate/1/${server}/${gateway}/down`,
})

/** What the receivers of one server subscribe to, shared among them where the broker can. */
export const upFilter = (server: string, shared: boolean): string =>
  `${shared ? `$share/${server}/` : ''}vitalgate/1/${server}/+/up`

/** Who a topic belongs to, or undefined if it is not one of ours. */
export function readTopic(
  topic: string,
): { server: string; gateway: string; way: 'up' | 'down' } | undefined {
  const [root, version, server = '', gateway = '', way, more] = topic.split('/')
  if (root !== 'vitalgate' || version !== '1' || more !== undefined) return undefined
  if (way !== 'up' && way !== 'down') return undefined
  if (!idGrammar.test(server) || !idGrammar.test(gateway)) return undefined
  return { server, gateway, way }
}
