import { afterEach, expect, test } from '@jest/globals'
import { makeLog } from '../../src/base/log.ts'
import { type Gateway, makeGateway } from '../../src/daemon/gateway.ts'
import { loadDrivers } from '../../src/driver/load.ts'
import { readConfig } from '../../src/identity/config.ts'
import { after } from '../../src/transport/port.ts'
import { openPty, type Pty } from '../fakes/pty.ts'

let pty: Pty | undefined
let gateway: Gateway | undefined
afterEach(async () => {
  await gateway?.stop()
  pty?.kill()
})

test('a device that never stops fills no log: thirty lines of a sort in a minute, then their number', async () => {
  pty = await openPty()
  const lines: Record<string, unknown>[] = []
  const moment = { wall: 0, source: 'ntp' as const, uncertainty: 5, boot: 'ab'.repeat(16), mono: 1 }
  let now = 1000
  gateway = makeGateway(
    {
      state: '',
      software: '0.1.0',
      config: readConfig(undefined),
      clock: { now: () => 0, mono: () => now },
      after,
      boot: moment.boot,
      log: makeLog('info', { write: text => void lines.push(JSON.parse(text)) }),
      drivers: await loadDrivers(),
      moments: { at: () => moment, stop: () => {} },
    },
    { phase: 'fresh' },
    why => {
      throw why
    },
  )
  gateway.stations.add({ id: 'scan', driver: 'barcode-scanner', port: pty.path, station: 's', options: {} })
  const scanned = () => lines.filter(one => one.msg === 'scanned')
  const until = async (happened: () => boolean): Promise<void> => {
    while (!happened()) await new Promise(resolve => setTimeout(resolve, 5))
  }
  await until(() => gateway?.stations.states()[0]?.state === 'open')
  const labels = Array.from({ length: 100 }, (_, at) => `BAND-${at}\r\n`).join('')
  pty.write(`${labels}\u0001\r\n`)
  // the last of these is no label: when its fault is told, all others were heard
  await until(() => gateway?.stations.states()[0]?.faults === 1)
  expect(scanned()).toHaveLength(30)
  expect(scanned().every(one => one.device === 'scan' && one.count === undefined)).toBe(true)
  now += 60_000
  pty.write('BAND-NEXT\r\n')
  await until(() => scanned().length === 31)
  // 70 of the hundred, and this one
  expect(scanned().at(-1)).toMatchObject({ device: 'scan', count: 71 })
})
