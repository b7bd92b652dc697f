import { createRequire } from 'node:module'
import { expect, test } from '@jest/globals'
import type * as DBus from 'dbus-next'
import type { PairingWords } from '../../src/transport/radio.ts'
import { cuff, never, nextAdvert, scenes } from './radio-fixture.ts'

// the build that node-ble takes
const { Message } = createRequire(import.meta.url)('dbus-next') as typeof DBus

const scene = scenes()
const { address } = cuff
const stranger = { ...cuff, paired: false }

/** A person who types these digits, and what was asked and shown. */
function person(digits?: number): PairingWords & { said: string[] } {
  const said: string[] = []
  return {
    said,
    passkey: async () => {
      said.push('asked')
      return digits
    },
    show: passkey => void said.push(`shown ${passkey}`),
  }
}

test('a device that needs nothing asks nothing, and is trusted afterwards', async () => {
  const { bluez, radio } = await scene()
  const device = bluez.device({ ...stranger, pairing: 'authorization' })
  device.advertise(true)
  radio.open()
  const words = person()
  await radio.pair(address, words, never())
  expect(device).toMatchObject({ paired: true, trusted: true, connected: false })
  expect(words.said).toEqual([])
  expect(await nextAdvert(radio, address)).toMatchObject({ paired: true })
})

test.each([
  ['the digits that the device shows are typed', 'passkey', 7, ['asked']],
  ['the digits at both sides are the same', 'confirm', 7, ['asked']],
  ['digits are typed at the device', 'display', undefined, ['shown 000007']],
] as const)('%s', async (_name, pairing, typed, said) => {
  const { bluez, radio } = await scene()
  const device = bluez.device({ ...stranger, pairing, passkey: 7 })
  device.advertise(true)
  radio.open()
  const words = person(typed)
  await radio.pair(address, words, never())
  expect(device.paired).toBe(true)
  expect(words.said).toEqual(said)
})

test.each([
  ['the device refuses', 'refused', undefined],
  ['nothing is typed', 'passkey', undefined],
  ['other digits are typed', 'passkey', 8],
  ['the digits differ', 'confirm', 8],
  ['what is typed are no six digits', 'passkey', 1_000_007],
] as const)('no bond where %s', async (_name, pairing, typed) => {
  const { bluez, radio } = await scene()
  const device = bluez.device({ ...stranger, pairing, passkey: 7 })
  device.advertise(true)
  radio.open()
  await expect(radio.pair(address, person(typed), never())).rejects.toMatchObject({
    code: 'ble.refused',
    message: expect.stringContaining(address),
  })
  expect(device).toMatchObject({ paired: false, trusted: false, connected: false })
})

test.each(['drops', 'drops-early'] as const)(
  'a device that %s its link after the bond is paired',
  async afterPairing => {
    const { bluez, radio } = await scene()
    const device = bluez.device({ ...stranger, afterPairing })
    device.advertise(true)
    radio.open()
    await radio.pair(address, person(), never())
    expect(device).toMatchObject({ paired: true, trusted: true })
  },
)

test('a device that is paired already is so, and trusted', async () => {
  const { bluez, radio } = await scene()
  const device = bluez.device(cuff)
  radio.open()
  await radio.pair(address, person(), never())
  expect(device).toMatchObject({ paired: true, trusted: true })
})

test('a device that BlueZ forgets with the end of discovery is paired while it goes on', async () => {
  const { bluez, radio } = await scene({ pace: { temporaryMs: 0 } })
  const device = bluez.device(stranger)
  device.advertise(true)
  radio.open()
  await radio.pair(address, person(), never())
  expect(device.paired).toBe(true)
})

test('the agent says no for every device but the one that is being paired', async () => {
  const { bluez, radio, another } = await scene()
  const device = bluez.device({ ...stranger, pairing: 'passkey', passkey: 7 })
  const other = bluez.device({ ...stranger, address: 'D0:5F:B8:00:00:09', pairing: 'authorization' })
  device.advertise(true)
  other.advertise(true)
  radio.open()
  await nextAdvert(radio, other.address)
  // a program without an agent of its own: BlueZ asks the default one, ours
  const foreign = another()
  const pairOther = () => foreign.call(other.path, 'org.bluez.Device1', 'Pair')
  const failed = { type: 'org.bluez.Error.AuthenticationFailed' }
  await expect(pairOther()).rejects.toMatchObject(failed)
  let asked = 0
  await radio.pair(
    address,
    {
      async passkey() {
        asked++
        await expect(pairOther()).rejects.toMatchObject(failed)
        return 7
      },
      show: () => {},
    },
    never(),
  )
  expect(asked).toBe(1)
  expect([device.paired, other.paired]).toEqual([true, false])
})

test('the agent says nothing to anybody but BlueZ', async () => {
  const { bluez, radio, another } = await scene()
  const device = bluez.device({ ...stranger, pairing: 'passkey', passkey: 7 })
  device.advertise(true)
  radio.open()
  const words = person(7)
  const { passkey } = words
  words.passkey = async () => {
    const { client, path } = bluez.agents()[0]!
    const { bus } = another()
    const ask = { destination: client, path, interface: 'org.bluez.Agent1', member: 'RequestPasskey' }
    const message = new Message({ ...ask, signature: 'o', body: [device.path] })
    await expect(bus.call(message)).rejects.toMatchObject({ type: 'org.freedesktop.DBus.Error.AccessDenied' })
    return passkey()
  }
  await radio.pair(address, words, never())
  expect(words.said).toEqual(['asked'])
})

test('pairing that is called off leaves no bond and no link', async () => {
  const { bluez, radio } = await scene()
  const device = bluez.device({ ...stranger, pairing: 'passkey', passkey: 7 })
  device.advertise(true)
  radio.open()
  const end = new AbortController()
  const words: PairingWords = {
    passkey: () => {
      end.abort()
      return new Promise(() => {})
    },
    show: () => {},
  }
  await expect(radio.pair(address, words, end.signal)).rejects.toMatchObject({ code: 'interrupted' })
  expect(device).toMatchObject({ paired: false, connected: false })
})

test('a device that is not there is told so', async () => {
  const { radio } = await scene()
  radio.open()
  await expect(radio.pair(address, person(), never())).rejects.toMatchObject({
    code: 'ble.lost',
    hint: 'put the device into pairing mode, near the gateway',
  })
})

test("a bond is removed on a person's word, and only then", async () => {
  const { bluez, radio } = await scene()
  const device = bluez.device(cuff)
  device.advertise(true)
  device.faults.forgotten = true
  radio.open()
  await expect(radio.session(address, async () => {}, never())).rejects.toMatchObject({
    code: 'ble.lost',
    hint: expect.stringContaining('pair it again'),
  })
  expect(bluez.counts.removals).toEqual([])
  await radio.forget(address)
  await radio.forget('D0:5F:B8:00:00:09')
  expect(bluez.counts.removals).toEqual([address])
  await radio.pair(address, person(), never())
  expect(device.paired).toBe(true)
})
