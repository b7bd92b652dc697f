import { until } from '../../scripts/scenario/program.ts'
import { patienceMs } from '../way/site.ts'
import { faultOf, linesOf } from './build.ts'
import { type Enrolled, enrol } from './request.ts'
import { lead, welcomed } from './rogue.ts'
import type { Scene } from './scene.ts'
import { event, payloadOf, publish } from './thief.ts'

const stolen = new WeakMap<Scene, Promise<Enrolled>>()

/** A gateway whose thief has its key; its scale was accepted, then it was revoked. Once: it stays so. */
async function steal(scene: Scene): Promise<Enrolled> {
  const { first, type } = scene
  const enrolled = await enrol(scene)
  const { gateway, key } = enrolled
  await scene.site.renewBroker()
  // whoever was cut by its restart is back, the receiver first
  await scene.restart('receiver')
  lead(scene, scene.truePort)
  await welcomed(scene)
  const named = { iss: gateway, kid: key.kid }
  const detail = {
    device: 'scale',
    driver: 'and-line',
    station: 'bench',
    link: 'serial',
    options: '0'.repeat(64),
  }
  const proposed = event(scene, first, { event: 'device-proposed', detail })
  await publish(scene, { gateway }, payloadOf({ ...proposed, key, body: { ...proposed.body, ...named } }))
  await until('the proposal', patienceMs, async () => {
    const accepted = await type('registry', 'devices', 'accept', gateway, 'scale')
    return faultOf(accepted) === undefined
  })
  linesOf(await type('registry', 'revoke', gateway, '--why', 'stolen', '--yes'))
  return enrolled
}

/** The gateway of a scene that was stolen and revoked: once, for it stays so. */
export function stolenGateway(scene: Scene): Promise<Enrolled> {
  const there = stolen.get(scene) ?? steal(scene)
  stolen.set(scene, there)
  return there
}
