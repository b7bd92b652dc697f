import { driver, gattValue, linkCrc, malformed, quantity, type Said, type Silent } from '#driver'

// Nonin's own oximetry service, one value of 10 bytes a second, big-endian ("data format 19"):
// length, status, battery, pulse amplitude (2), seconds (2), SpO2, pulse rate (2).
// Source: Nonin's sample code for the 3230 and public projects that read it; see NOTES.md.

const service = '46a970e0-0d5f-11e2-8b5e-0002a5d5c51b'
const oximetry = '0aad7ea0-0d60-11e2-8e3c-0002a5d5c51b'

const [smartPoint, searching] = [0x04, 0x08]

function understand(payload: Parameters<typeof gattValue>[0]): Said | Silent {
  const value = gattValue(payload)
  const length = value.u8()
  if (length !== payload.length || length < 10) throw malformed('value is not as long as it says')
  const status = value.u8()
  value.skip(5)
  const spo2 = value.u8()
  const pulse = value.u16big()
  if ((status & searching) !== 0 || spo2 === 127 || pulse === 511) return { silent: 'no-value' }
  if (spo2 < 1 || spo2 > 100) throw malformed('saturation is outside what the oximeter can show')
  if (pulse < 1 || pulse > 511) throw malformed('pulse rate is outside what the oximeter can show')
  // The maker's own judgement that a value is good enough to be written down.
  if ((status & smartPoint) === 0) return { silent: 'unstable' }
  return { measured: { spo2: quantity(String(spo2), '%'), 'pulse-rate': quantity(String(pulse), '/min') } }
}

export default driver({
  name: 'Nonin 3230 Bluetooth oximeter',
  revision: 1,
  experimental: true,
  signs: [{ name: 'Nonin3230_', model: 'Nonin 3230' }],
  link: { ble: { service, bond: false, stores: false, begin: [{ hear: oximetry, must: true }] } },
  check: linkCrc,
  says: ['spo2', 'pulse-rate'],
  // SmartPoint has already waited for a good signal: three seconds of it are enough.
  settle: { kind: 'spo2', goodMs: 3000, breakMs: 5000 },
  listen: () => (payload, char) => (char === oximetry ? understand(payload) : { silent: 'no-value' }),
})
