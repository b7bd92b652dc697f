import { Fault } from '../../src/base/fault.ts'
import type { Handlers, Status } from '../../src/control/api.ts'

export const status: Status = {
  version: '0.1.0',
  phase: 'provisioned',
  gateway: `${'g'.repeat(25)}a`,
  server: `${'s'.repeat(25)}a`,
  site: 'site-1',
  uptimeMs: 93_784_000,
  devices: [
    {
      id: 'scale-1',
      driver: 'and-line',
      port: '/dev/ttyUSB0',
      station: 'ward-a',
      state: 'open',
      lastReading: 1_700_000_000_000,
      readings: 12,
      faults: 1,
      lastFault: { code: 'frame.check', message: 'parity', at: 1_699_999_990_000 },
    },
  ],
  outbox: {
    queued: 3,
    sent: 1,
    receipted: 40,
    forgotten: 7,
    bytes: 1_048_576,
    quota: 536_870_912,
    oldest: 1_699_999_940_000,
    intake: { used: 104_857_600, quota: 483_183_820, percent: 21, refusingSince: null },
  },
  former: [],
  uplink: {
    state: 'welcomed',
    broker: 'mqtts://broker.example:8883',
    since: 1_699_996_400_000,
    lastReceipt: 1_700_000_055_000,
  },
  clock: { source: 'ntp', uncertainty: 20, wall: 1_700_000_060_000 },
  certificate: { notAfter: 2_015_000_000_000, next: null },
  keys: { kid: '0123456789abcdef', next: null },
  routeValidUntil: 1_857_000_000_000,
  notices: [],
}

const absent = async (): Promise<never> => {
  throw new Fault('identity.unprovisioned', 'this box has no route yet', { hint: 'provision it first' })
}

/** Handlers of a daemon that is nothing but answers; a test replaces those it is about. */
export const fakeHandlers = (own: Partial<Handlers> = {}): Handlers => ({
  status: async () => status,
  request: absent,
  accept: absent,
  rotate: absent,
  devices: async () => [],
  addDevice: async device => ({ already: false, device }),
  removeDevice: async ({ id }) => ({ removed: id }),
  outbox: absent,
  verifyOutbox: async () => ({ epochs: 1, rows: 9, problems: [], more: false, abandoned: [] }),
  abandon: async ({ agreed }) => ({
    ...{ state: agreed ? ('done' as const) : ('asked' as const), intent: 'ab'.repeat(16), operator: 'anne' },
    ...{ what: 'key' as const, id: '01'.repeat(8), rows: 3, first: 1, last: 2 },
  }),
  taken: async () => {},
  verify: absent,
  passkey: absent,
  scan: absent,
  test: absent,
  pair: absent,
  record: absent,
  ...own,
})
