import {
  type BleStep,
  type Bytes,
  driver,
  gattValue,
  linkCrc,
  malformed,
  quantity,
  type Said,
  type Silent,
} from '#driver'

// Health Thermometer Service 0x1809: Temperature Measurement 0x2A1C.
// Source: Bluetooth SIG Health Thermometer Service 1.0, GATT Specification Supplement; see NOTES.md.

/**
 * In °C. Outside it nothing of a living body is measured, and every body temperature whose unit is wrong lies
 * outside: 30 °F is −1 °C, 45 °F is 7 °C, and a Celsius of 86 to 113 is none. What is inside and still hard to
 * believe, such as a cold finger, is said, and noted by the gateway.
 */
const range = [10, 50] as const

/** Where it was measured is not said: there is no kind for it, and FORA IR20 sends a reserved place. */
function meaning(payload: Bytes): Said | Silent {
  const value = gattValue(payload)
  const flags = value.u8()
  const has = (bit: number): boolean => ((flags >> bit) & 1) === 1
  const sent = value.float()
  const deviceTime = has(1) ? value.dateTime() : undefined
  if (has(2)) value.skip(1)
  if (sent.special !== undefined) return { silent: 'error' }
  const temperature = quantity(sent.digits, has(0) ? 'degF' : 'Cel')
  const celsius = temperature.n / 10 ** temperature.s
  if (celsius < range[0] || celsius > range[1]) throw malformed('temperature is none of a body')
  return {
    measured: { 'body-temperature': temperature },
    ...(deviceTime !== undefined && { deviceTime }),
  }
}

const hear = { hear: '2a1c', must: true } as const
const beginnings = {
  usual: [{ clock: '2a2b' }, { clock: '2a08' }, hear],
  // A&D is listened to first, has its clock set within 5 s, and then sends what it kept.
  and: [hear, { clock: '2a08' }],
} as const satisfies Record<string, readonly BleStep[]>

export default driver({
  name: 'Bluetooth thermometers',
  revision: 1,
  options: {
    begin: { choices: ['usual', 'and'], default: 'usual', tells: 'how a session begins; "and" for A&D' },
  },
  link: ({ begin }) => ({
    ble: { service: '1809', bond: true, stores: true, begin: beginnings[begin] },
  }),
  check: linkCrc,
  signs: [
    { name: 'A&D_UT201BLE', model: 'A&D UT-201BLE', options: { begin: 'and' } },
    { name: 'FORA IR20', model: 'FORA IR20' },
  ],
  says: ['body-temperature'],
  listen: () => (payload, char) => {
    switch (char) {
      case '2a1c':
        return meaning(payload)
      case '2a1e': // a preview, in the same form
        return { silent: 'unstable' }
      case '2a1d': // where it measures, how often, and its clock
      case '2a21':
      case '2a08':
      case '2a2b':
        return { silent: 'no-value' }
      default:
        throw malformed('characteristic is none of a thermometer')
    }
  },
})
