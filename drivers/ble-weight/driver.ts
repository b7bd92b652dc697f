import {
  type BleStep,
  driver,
  gattValue,
  linkCrc,
  malformed,
  type Said,
  type Silent,
  weightMeasurement,
} from '#driver'

// Weight Scale Service 0x181D: Weight Measurement 0x2A9D, Weight Scale Feature 0x2A9E.
// Source: Bluetooth SIG Weight Scale Service 1.0, GATT Specification Supplement; see NOTES.md.

/** The resolution in a Weight Scale Feature, bits 3 to 6: code 4 is 0.05 kg, code 0 is "not specified". */
const tellsOther = (feature: number): boolean => {
  const code = (feature >>> 3) & 0xf
  return code !== 0 && code !== 4
}

/** Body mass index and height come from a user that somebody chose on the scale. */
function withoutProfile(said: Said | Silent): Said | Silent {
  if (!('measured' in said)) return said
  const { 'body-weight': weight } = said.measured
  return { ...said, measured: weight === undefined ? {} : { 'body-weight': weight } }
}

const hear = { hear: '2a9d', must: true } as const
const beginnings = {
  usual: [{ read: '2a9e' }, { clock: '2a2b' }, { clock: '2a08' }, hear],
  // A&D is listened to first, has its clock set within 5 s, and then sends what it kept.
  and: [hear, { clock: '2a08' }],
} as const satisfies Record<string, readonly BleStep[]>

export default driver({
  name: 'Bluetooth scales',
  revision: 1,
  options: {
    quirk: {
      choices: ['standard', 'resolution-0.05'],
      default: 'standard',
      tells:
        'resolution-0.05 for a scale that counts 0.05 kg: weigh a known weight, it reads ten times too little',
    },
    profile: {
      choices: [false, true],
      default: false,
      tells: 'true where each resident has a user of the scale: only then BMI and height are theirs',
    },
    begin: {
      choices: ['usual', 'and'],
      default: 'usual',
      tells: 'how a session begins; "and" for A&D',
    },
  },
  link: ({ begin }) => ({
    ble: { service: '181d', bond: true, stores: true, begin: beginnings[begin] },
  }),
  check: linkCrc,
  signs: [{ name: 'A&D_UC-352BLE', model: 'A&D UC-352BLE', options: { begin: 'and' } }],
  says: ['body-weight', 'bmi', 'body-height'],
  listen: ({ quirk, profile }) => {
    const count = quirk === 'standard' ? '0.005' : '0.05'
    let doubted = false
    return (payload, char) => {
      switch (char) {
        case '2a9d': {
          if (doubted) throw malformed('scale tells another resolution than 0.05 kg: see the option quirk')
          const said = weightMeasurement(payload, count)
          return profile ? said : withoutProfile(said)
        }
        case '2a9e':
          doubted = tellsOther(gattValue(payload).u32()) && count === '0.05'
          return { silent: 'no-value' }
        case '2a08':
        case '2a2b':
          return { silent: 'no-value' }
        default:
          throw malformed('characteristic is none of a scale')
      }
    }
  },
})
