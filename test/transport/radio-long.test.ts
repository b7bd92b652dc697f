import { expect, test } from '@jest/globals'
import { cuff, listening, never, scenes, stored } from './radio-fixture.ts'

const scene = scenes()

/** A cuff of 20 characteristics: with node-ble as it is, the bus is full of match rules after 24 sessions. */
const rich = {
  ...cuff,
  services: {
    '1810': cuff.services['1810'],
    '180a': Object.fromEntries(
      Array.from({ length: 17 }, (_, at) => [(0x2a20 + at).toString(16), { flags: ['read'], value: '41' }]),
    ),
  },
}

test('200 sessions: nothing is lost, and neither match rules, connections, agents nor memory of us grow', async () => {
  const { bus, bluez, radio } = await scene()
  const device = bluez.device(rich)
  radio.open()
  radio.watch(() => {})
  const got: string[] = []
  /** Rules of each connection but bluetoothd's, most first, and how many agents there are. */
  const census = async () => {
    const rules = [...(await bus.matchRules()).values()].map(({ length }) => length)
    return { connections: rules.length, most: Math.max(...rules), agents: bluez.agents().length }
  }
  const after: Awaited<ReturnType<typeof census>>[] = []
  for (let session = 0; session < 200; session++) {
    device.advertise(true)
    device.store(...stored(1, session))
    await radio.session(
      rich.address,
      async peer => {
        expect(await peer.characteristics()).toHaveLength(20)
        await listening(got)(peer)
        if (session % 50 === 49) after.push(await census())
      },
      never(),
    )
  }
  expect(got).toEqual(stored(200).map(({ value }) => value))
  expect(radio.facts()).toMatchObject({ sessions: 200, rebuilds: 0 })
  // bluetoothd's connection and ours
  expect(after.map(({ connections, agents }) => ({ connections, agents }))).toEqual(
    Array(4).fill({ connections: 2, agents: 1 }),
  )
  expect(new Set(after.map(({ most }) => most)).size).toBe(1)
}, 120_000)
