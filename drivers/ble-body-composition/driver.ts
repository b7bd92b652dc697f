import {
  type Bytes,
  driver,
  gattValue,
  heightOf,
  linkCrc,
  malformed,
  massOf,
  quantity,
  type Said,
  type Silent,
  weightMeasurement,
} from '#driver'

// Body Composition Service 0x181B: Body Composition Measurement 0x2A9C, and of the Weight Scale Service the
// Weight Measurement 0x2A9D, which such scales send some seconds before.
// Source: Bluetooth SIG Body Composition Service 1.0, GATT Specification Supplement; see NOTES.md.

/** What the session has told of weights, when a composition comes. */
interface Weighed {
  /** How many came since the last composition. */
  since: number
  /** The time of the last one. */
  deviceTime: string | undefined
  /** Whether any came at all. */
  any: boolean
}

/**
 * A Body Composition Measurement. One with neither a time nor a user belongs to the weight that came before it,
 * and has its time, if exactly one came since the last composition. A weight in it has been said where the
 * scale sends weights by themselves.
 */
function composition(payload: Bytes, weighed: Weighed): Said | Silent {
  const value = gattValue(payload)
  const flags = value.u16()
  const has = (bit: number): boolean => ((flags >> bit) & 1) === 1
  // The value goes on in a second indication: which fields stand where was never seen.
  if (has(12)) throw malformed('measurement is sent in several values')
  const fat = value.u16()
  const ownTime = has(1) ? value.dateTime() : undefined
  if (has(2)) value.skip(1)
  // Basal metabolism, muscle, fat-free, lean and water mass, impedance: there are no kinds for them.
  for (let bit = 3; bit <= 9; bit++) if (has(bit)) value.skip(2)
  const mass = has(10) ? value.u16() : 0
  const height = has(11) ? value.u16() : 0
  if (fat === 0xffff || mass === 0xffff) return { silent: 'error' }
  // Also what other makers send on this characteristic: a year stands here.
  if (fat > 1000) throw malformed('body fat is more than all')
  const joined = !has(1) && !has(2) && weighed.since === 1
  const deviceTime = joined ? weighed.deviceTime : ownTime
  const measured = {
    // Nobody has none: such values are placeholders of the scale's history.
    ...(fat !== 0 && { 'body-fat': quantity(`${Math.floor(fat / 10)}.${fat % 10}`, '%') }),
    ...(mass !== 0 && !weighed.any && { 'body-weight': massOf(mass, has(0)) }),
    ...(height !== 0 && fat !== 0 && { 'body-height': heightOf(height, has(0)) }),
  }
  if (Object.keys(measured).length === 0) return { silent: 'no-value' }
  return { measured, ...(deviceTime !== undefined && { deviceTime }) }
}

/** How the User Control Point answers: `20 request result`, 1 is done. */
function answered(payload: Bytes): Silent {
  const value = gattValue(payload)
  if (value.u8() !== 0x20) return { silent: 'ack' }
  value.skip(1)
  const result = value.u8()
  if (result !== 1) throw malformed(`user and pin were refused with code ${result}`)
  return { silent: 'ack' }
}

/** Consent of a user (0x02): its number and its code, little-endian, in hex. */
function consent(user: number, pin: number): string {
  return [2, user, pin & 0xff, pin >> 8].map(byte => byte.toString(16).padStart(2, '0')).join('')
}

export default driver({
  name: 'Bluetooth body composition scales',
  revision: 1,
  options: {
    user: {
      range: [0, 8],
      default: 0,
      tells:
        'user of a Beurer scale, made on the scale; 0 for a scale that has none: body fat is computed for this user',
    },
    pin: { range: [0, 9999], default: 0, tells: 'code of that user, shown by the scale when it was made' },
  },
  link: ({ user, pin }) => ({
    ble: {
      service: '181b',
      bond: true,
      stores: true,
      begin: [
        { clock: '2a2b' },
        { hear: '2a9d' },
        { hear: '2a9c', must: true },
        // Without it a Beurer sends nothing; after it, everything at once: so it comes last.
        ...(user === 0 ? [] : [{ write: '2a9f', bytes: consent(user, pin), answer: '200201' }]),
      ],
      // The composition follows its weight some seconds later.
      quietMs: 20_000,
    },
  }),
  check: linkCrc,
  signs: [
    { name: 'BF720', model: 'Beurer BF 720' },
    { name: 'BF105', model: 'Beurer BF 105' },
    { name: 'BF500', model: 'Beurer BF 500' },
    { name: 'BF788', model: 'Beurer BF 788' },
    { name: 'BF950', model: 'Beurer BF 950' },
  ],
  says: ['body-weight', 'bmi', 'body-height', 'body-fat'],
  listen: () => {
    let weighed: Weighed = { since: 0, deviceTime: undefined, any: false }
    return (payload, char) => {
      switch (char) {
        case '2a9d': {
          weighed = { since: weighed.since + 1, deviceTime: undefined, any: true }
          const said = weightMeasurement(payload)
          if ('measured' in said) weighed.deviceTime = said.deviceTime
          return said
        }
        case '2a9c': {
          const before = weighed
          weighed = { ...before, since: 0 }
          return composition(payload, before)
        }
        case '2a9f':
          return answered(payload)
        case '2a9b': // what the scale can measure, and its clock
        case '2a9e':
        case '2a08':
        case '2a2b':
          return { silent: 'no-value' }
        default:
          throw malformed('characteristic is none of a body composition scale')
      }
    }
  },
})
