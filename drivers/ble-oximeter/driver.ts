import {
  type Decimal,
  driver,
  gattValue,
  linkCrc,
  malformed,
  quantity,
  type Said,
  type Silent,
} from '#driver'

// Pulse Oximeter Service 0x1822: spot checks (2a5e, indicated) and the continuous stream (2a5f, notified).
// Source: Bluetooth SIG PLXS 1.0.1; values of a real ChoiceMMed MD300C208 and Medisana PM 100; see NOTES.md.

/** Bits that forbid a value; first fitting, first served. */
type Refusals = readonly (readonly [bits: number, silent: Silent['silent']])[]

/**
 * Measurement status. Not among them: b5 "measurement ongoing", which a real device sets while all is well,
 * and b7, b8 (validated, fully qualified).
 */
const statusRefusals: Refusals = [
  [(1 << 15) | (1 << 12) | (1 << 11) | (1 << 10), 'error'], // invalid, calibration, testing, demonstration
  [1 << 13, 'no-value'], // not available
  [(1 << 14) | (1 << 6), 'unstable'], // questionable, early estimate
]

/** Device and sensor status. Not among them: b4 poor signal and b5 low perfusion, which a real device sets always. */
const sensorRefusals: Refusals = [
  [(1 << 15) | (1 << 14) | (1 << 12) | (1 << 1), 'error'], // sensor gone, broken or unknown; equipment broken
  [(1 << 13) | (1 << 11) | (1 << 7) | (1 << 3), 'no-value'], // displaced, no finger, no pulse, too little signal
  // interference, analysis under way, questionable pulse, erratic, irregular, the display lags behind
  [(1 << 10) | (1 << 9) | (1 << 8) | (1 << 6) | (1 << 2) | 1, 'unstable'],
]

const refusalOf = (bits: number, refusals: Refusals): Silent | undefined => {
  const found = refusals.find(([refused]) => (bits & refused) !== 0)
  return found === undefined ? undefined : { silent: found[1] }
}

/** The digits of a value within (0, most]; undefined where a special or zero says that there is none. */
function digitsOf({ digits }: Decimal, most: number): string | undefined {
  if (digits === undefined || Number(digits) === 0) return undefined
  if (Number(digits) < 0 || Number(digits) > most)
    throw malformed('value is outside what an oximeter can show')
  return digits
}

/** Where the fields of both characteristics differ: the flags that announce them. */
const layouts = {
  '2a5e': { time: 0x01, status: 0x02, sensor: 0x04, index: 0x08, unset: 0x10, fast: 0, slow: 0 },
  '2a5f': { time: 0, status: 0x04, sensor: 0x08, index: 0x10, unset: 0, fast: 0x01, slow: 0x02 },
} as const

function understand(payload: Parameters<typeof gattValue>[0], char: '2a5e' | '2a5f'): Said | Silent {
  const layout = layouts[char]
  const value = gattValue(payload)
  const flags = value.u8()
  const [spo2, pulse] = [value.sfloat(), value.sfloat()]
  const time = (flags & layout.time) === 0 ? undefined : value.dateTime()
  if ((flags & layout.fast) !== 0) value.skip(4)
  if ((flags & layout.slow) !== 0) value.skip(4)
  const status = (flags & layout.status) === 0 ? 0 : value.u16()
  const sensor = (flags & layout.sensor) === 0 ? 0 : value.u24()
  const index = (flags & layout.index) === 0 ? undefined : value.sfloat()
  const refusal = refusalOf(sensor, sensorRefusals) ?? refusalOf(status, statusRefusals)
  if (refusal !== undefined) return refusal
  const [saturation, rate] = [digitsOf(spo2, 100), digitsOf(pulse, 400)]
  if (saturation === undefined || rate === undefined) return { silent: 'no-value' }
  const perfusion = index === undefined ? undefined : digitsOf(index, 100)
  const deviceTime = (flags & layout.unset) === 0 ? time : undefined
  return {
    measured: {
      spo2: quantity(saturation, '%'),
      'pulse-rate': quantity(rate, '/min'),
      ...(perfusion !== undefined && { 'perfusion-index': quantity(perfusion, '%') }),
    },
    ...(deviceTime !== undefined && { deviceTime }),
    ...((status & (1 << 9)) !== 0 && { stored: true }),
  }
}

export default driver({
  name: 'Bluetooth oximeters with the Pulse Oximeter Service',
  revision: 1,
  options: {
    mode: {
      choices: ['spot', 'continuous'],
      default: 'spot',
      tells:
        'spot: each finished measurement counts; continuous: one is taken from the stream of each finger',
    },
    bond: {
      choices: [true, false],
      default: true,
      tells: 'false for an oximeter that cannot be paired; then it is known by its address alone',
    },
    memory: {
      choices: [false, true],
      default: false,
      tells:
        'true if it hands over spot checks of earlier and does not mark them: then only its clock dates them',
    },
  },
  signs: [
    {
      name: 'e-Oximeter',
      model: 'Medisana PM 100 (ChoiceMMed MD300C208S)',
      options: { mode: 'continuous', bond: false },
    },
  ],
  link: ({ mode, bond, memory }) => ({
    ble: {
      service: '1822',
      bond,
      // What comes from a device's storage says so itself (status b9), unless the device is careless.
      stores: memory,
      begin: [{ clock: '2a2b' }, { hear: mode === 'spot' ? '2a5e' : '2a5f', must: true }],
      // A spot check takes its time: the finger may have been put in after the connection was made.
      ...(mode === 'spot' && { quietMs: 30_000 }),
    },
  }),
  check: linkCrc,
  says: ['spo2', 'pulse-rate', 'perfusion-index'],
  settle: ({ mode }) => (mode === 'spot' ? 'each' : { kind: 'spo2', goodMs: 10_000, breakMs: 5000 }),
  listen: () => (payload, char) =>
    char === '2a5e' || char === '2a5f' ? understand(payload, char) : { silent: 'no-value' },
})
