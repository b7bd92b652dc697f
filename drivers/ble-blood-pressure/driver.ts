import {
  type BleStep,
  type Bytes,
  type Decimal,
  driver,
  type GattValue,
  gattValue,
  linkCrc,
  malformed,
  type Quantity,
  quantity,
  type Said,
  type Silent,
  sfloatOf,
} from '#driver'

// Blood Pressure Service 0x1810: Blood Pressure Measurement 0x2A35 and its enhanced form 0x2B34.
// Source: Bluetooth SIG Blood Pressure Service 1.1.1, GATT Specification Supplement; see NOTES.md.

/** What stands in a measurement, before anything is made of it. */
interface Found {
  kPa: boolean
  systolic: Decimal
  diastolic: Decimal
  mean: Decimal
  deviceTime: string | undefined
  pulse: Decimal | undefined
}

const has = (flags: number, bit: number): boolean => ((flags >> bit) & 1) === 1

/** The flags, and the three pressures that follow them in every form. */
function begun(value: GattValue) {
  const flags = value.u8()
  return {
    flags,
    found: { kPa: has(flags, 0), systolic: value.sfloat(), diastolic: value.sfloat(), mean: value.sfloat() },
  }
}

/** 0x2A35 as it is specified. Reserved flags are ignored: monitors set them and keep to the layout. */
function standard(value: GattValue): Found {
  const { flags, found } = begun(value)
  const deviceTime = has(flags, 1) ? value.dateTime() : undefined
  const pulse = has(flags, 2) ? value.sfloat() : undefined
  if (has(flags, 3)) value.skip(1)
  if (has(flags, 4)) value.skip(2)
  if (has(flags, 2) && !has(flags, 3) && value.rest() === 1) {
    throw malformed('value is one byte longer than its flags say: see the option quirk')
  }
  return { ...found, deviceTime, pulse }
}

/** 0x2A35 of some Beurer: the pulse is big-endian, and a user follows it without a flag. */
function swapped(value: GattValue): Found {
  const { flags, found } = begun(value)
  if (has(flags, 3)) throw malformed('value has the flag of a user: see the option quirk')
  const deviceTime = has(flags, 1) ? value.dateTime() : undefined
  const pulse = has(flags, 2) ? sfloatOf(value.u16big()) : undefined
  value.skip(1)
  if (has(flags, 4)) value.skip(2)
  return { ...found, deviceTime, pulse }
}

/** 0x2B34. Its time stamp is UTC; the time that the user sees is the local one, and the only one said. */
function enhanced(value: GattValue): Found {
  const { flags, found } = begun(value)
  if (has(flags, 1)) value.skip(4)
  const pulse = has(flags, 2) ? value.sfloat() : undefined
  if (has(flags, 3)) value.skip(1)
  if (has(flags, 4)) value.skip(2)
  const deviceTime = has(flags, 5) ? value.since(has(flags, 6) ? 2000 : 1900) : undefined
  return { ...found, deviceTime, pulse }
}

const number = ({ n, s }: Quantity): number => n / 10 ** s

/**
 * Below 40 mmHg no cuff finds a systole, and every pressure in kPa that is taken for mmHg lies there; 300 mmHg
 * is the most that a cuff may be inflated to (IEC 80601-2-30), and every pressure in mmHg that is taken for
 * kPa lies above. What is between and still hard to believe is said, and noted by the gateway.
 */
const systole = [40, 300] as const
/** The same for a pulse; most big-endian ones that are taken for little-endian lie far outside. */
const pulseRate = [20, 300] as const

/** The quantity, or undefined where the monitor has none: a special, or the 0 that some send in its place. */
function optional({ digits }: Decimal, unit: 'mm[Hg]' | 'kPa' | '/min'): Quantity | undefined {
  const value = digits === undefined ? undefined : quantity(digits, unit)
  return value?.n === 0 ? undefined : value
}

function meaning(found: Found): Said | Silent {
  const unit = found.kPa ? 'kPa' : 'mm[Hg]'
  // A monitor that failed sends NaN, some with a status in which nothing is set.
  if (found.systolic.special !== undefined || found.diastolic.special !== undefined)
    return { silent: 'error' }
  const systolic = quantity(found.systolic.digits, unit)
  const diastolic = quantity(found.diastolic.digits, unit)
  const mean = optional(found.mean, unit)
  const pulse = found.pulse === undefined ? undefined : optional(found.pulse, '/min')
  if (number(systolic) < systole[0] || number(systolic) > systole[1]) {
    throw malformed('systolic pressure is none that a cuff can find')
  }
  if (diastolic.n <= 0 || number(diastolic) >= number(systolic)) throw malformed('pressures are not in order')
  if (mean !== undefined && (number(mean) < number(diastolic) || number(mean) > number(systolic))) {
    throw malformed('mean pressure is not between the two others')
  }
  if (pulse !== undefined && (number(pulse) < pulseRate[0] || number(pulse) > pulseRate[1])) {
    throw malformed('pulse rate is none that a cuff can find: see the option quirk')
  }
  return {
    measured: {
      systolic,
      diastolic,
      ...(mean !== undefined && { 'mean-arterial-pressure': mean }),
      ...(pulse !== undefined && { 'pulse-rate': pulse }),
    },
    ...(found.deviceTime !== undefined && { deviceTime: found.deviceTime }),
  }
}

/** How the Record Access Control Point answers: `06 00 request code`, 1 is done and 6 is nothing stored. */
function answered(value: GattValue): Silent {
  if (value.u8() !== 6) return { silent: 'ack' }
  value.skip(2)
  const code = value.u8()
  if (code !== 1 && code !== 6) throw malformed(`stored measurements were refused with code ${code}`)
  return { silent: code === 1 ? 'ack' : 'no-value' }
}

const understand =
  (measurement: (value: GattValue) => Found) =>
  (payload: Bytes, char: string): Said | Silent => {
    const value = gattValue(payload)
    switch (char) {
      case '2a35':
        return meaning(measurement(value))
      case '2b34':
        return meaning(enhanced(value))
      case '2a36': // the pressure while the cuff fills, and its enhanced form
      case '2b35':
        return { silent: 'unstable' }
      case '2a52':
        return answered(value)
      case '2a49': // which states the monitor can report, and its clock
      case '2a08':
      case '2a2b':
        return { silent: 'no-value' }
      default:
        throw malformed('characteristic is none of a blood pressure monitor')
    }
  }

const hear = { hear: '2a35', must: true } as const
const request = (bytes: string): readonly BleStep[] => [
  { read: '2a49' },
  { clock: '2a2b' },
  hear,
  { hear: '2a52' },
  { write: '2a52', bytes },
]
const beginnings = {
  usual: [{ read: '2a49' }, { clock: '2a2b' }, { clock: '2a08' }, hear],
  // A&D is listened to first, has its clock set within 5 s, and then sends what it kept.
  and: [hear, { clock: '2a08' }],
  'omron-last': request('0106'),
  'omron-all': request('0101'),
} as const satisfies Record<string, readonly BleStep[]>

export default driver({
  name: 'Bluetooth blood pressure monitors',
  revision: 1,
  options: {
    quirk: {
      choices: ['standard', 'beurer-swapped'],
      default: 'standard',
      tells:
        'beurer-swapped for Beurer BM 48, BM 59, BM 85 and ELITE900: big-endian pulse, user without flag',
    },
    begin: {
      choices: ['usual', 'and', 'omron-last', 'omron-all'],
      default: 'usual',
      tells: 'how a session begins; "and" for A&D, omron-… for an Omron that sends only what it is asked for',
    },
  },
  link: ({ begin }) => ({
    ble: { service: '1810', bond: true, stores: true, begin: beginnings[begin] },
  }),
  check: linkCrc,
  signs: [
    { name: 'A&D_UA-651BLE', model: 'A&D UA-651BLE', options: { begin: 'and' } },
    { name: 'UA-1200BLE', model: 'A&D UA-1200BLE', options: { begin: 'and' } },
    { name: 'BLESmart_', model: 'Omron BP5250, BP7000, HEM-9200T and others with the standard service' },
    { name: 'BLEsmart_', model: 'Omron BP5250, BP7000, HEM-9200T and others with the standard service' },
    { name: 'BM48', model: 'Beurer BM 48', options: { quirk: 'beurer-swapped' } },
    { name: 'BM59', model: 'Beurer BM 59', options: { quirk: 'beurer-swapped' } },
    { name: 'BM85', model: 'Beurer BM 85', options: { quirk: 'beurer-swapped' } },
    { name: 'ELITE900', model: 'Beurer ELITE900', options: { quirk: 'beurer-swapped' } },
    { name: '1872B', model: 'Medisana BU 530, BU 570, BU 572, BU 580 and BU 584' },
  ],
  says: ['systolic', 'diastolic', 'mean-arterial-pressure', 'pulse-rate'],
  listen: ({ quirk }) => understand(quirk === 'standard' ? standard : swapped),
})
