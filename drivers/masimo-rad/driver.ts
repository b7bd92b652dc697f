import { calendar, driver, malformed, none, quantity, type Said, type Silent, text } from '#driver'

// A line each second, "ASCII 1": `03/17/16 19:19:36 SN=… SPO2=098% BPM=123 PI=00.55 … ALARM=000000 EXC=000C00`.
// Source: lines of real Rad-7 and Rad-8; Rad-8 operator's manual p.4-24 (trend, exceptions); see NOTES.md.

const stamp = /^(\d\d)\/(\d\d)\/(\d\d) (\d\d):(\d\d):(\d\d) /
const pair = /^([A-Za-z][A-Za-z0-9]*)=([^=]*?),?$/

/** Exceptions (Rad-8 manual p.4-24) that leave no value, or none to rely on; first fitting, first served. */
const refusals: readonly (readonly [bits: number, silent: Silent['silent']])[] = [
  [0x002 | 0x080, 'error'], // defective sensor, unrecognized sensor
  [0x001 | 0x020 | 0x008, 'no-value'], // no sensor, sensor off, pulse search
  [0x010 | 0x040, 'unstable'], // interference, ambient light
]

/** All pairs of the line, keys in upper case: Rad-8 writes SPO2, its trend SpO2. */
function pairsOf(line: string): Map<string, string> {
  const pairs = new Map<string, string>()
  for (const word of line.split(/[ ,]* +/).filter(one => one !== '')) {
    const [, name = '', value = ''] = pair.exec(word) ?? []
    if (name === '') throw malformed('line has a word that is no key and value')
    const key = name.toUpperCase()
    if (pairs.has(key)) throw malformed(`key ${key} stands twice`)
    pairs.set(key, value)
  }
  return pairs
}

/** The digits of a value; undefined where dashes or nothing but zeros stand for "no value". */
function digitsOf(word: string | undefined, shape: RegExp, most: number): string | undefined {
  if (word === undefined) throw malformed('line lacks a value')
  const bare = word.replace(/%$/, '')
  if (/^-[-.]*$/.test(bare)) return undefined
  if (!shape.test(bare) || Number(bare) > most) throw malformed('value is outside what the oximeter can show')
  return Number(bare) === 0 ? undefined : bare
}

function timeOf(found: RegExpExecArray): string | undefined {
  const [month, day, year, hour, minute, second] = found.slice(1) as [
    string,
    string,
    string,
    string,
    string,
    string,
  ]
  return calendar(`20${year}`, month, day, hour, minute, second)
}

function understand(line: string): Said | Silent {
  const when = stamp.exec(line)
  if (when === null || !/^[\x20-\x7e]*$/.test(line)) throw malformed('line does not begin with a date')
  const pairs = pairsOf(line.slice(when[0].length))
  // A live line has BPM, a line of the trend memory PR.
  const stored = pairs.has('PR')
  if (stored && pairs.has('BPM')) throw malformed('line has two pulse rates')
  const exceptions = /^([0-9A-Fa-f]{3,8})(?::[A-Za-z,]*)?$/.exec(pairs.get('EXC') ?? '')
  if (exceptions === null) throw malformed('line has no exceptions')
  // Ranges of the manuals: SpO2 1 to 100, pulse rate to 240, perfusion index to 20.00.
  const spo2 = digitsOf(pairs.get('SPO2'), /^\d{2,3}$/, 100)
  const pulse = digitsOf(pairs.get(stored ? 'PR' : 'BPM'), /^\d{2,3}$/, 240)
  const index = pairs.has('PI') ? digitsOf(pairs.get('PI'), /^\d{1,2}\.\d{1,2}$/, 20) : undefined
  const bits = Number.parseInt(exceptions[1]!, 16)
  const refusal = refusals.find(([refused]) => (bits & refused) !== 0)
  if (refusal !== undefined) return { silent: refusal[1] }
  if (spo2 === undefined || pulse === undefined) return { silent: 'no-value' }
  const deviceTime = timeOf(when)
  const serial = pairs.get('SN') ?? ''
  return {
    measured: {
      spo2: quantity(spo2, '%'),
      'pulse-rate': quantity(pulse, '/min'),
      ...(index !== undefined && { 'perfusion-index': quantity(index, '%') }),
    },
    ...(deviceTime !== undefined && { deviceTime }),
    ...(/^(?=.*[1-9])\d{1,20}$/.test(serial) && { deviceId: serial }),
    ...(stored && { stored }),
  }
}

export default driver({
  name: 'Masimo Rad-8, Rad-7 and relatives with serial output ASCII 1',
  revision: 1,
  link: { serial: { baud: 9600 }, frame: { until: ['\r\n', '\r', '\n'], limit: 512 } },
  check: none,
  says: ['spo2', 'pulse-rate', 'perfusion-index'],
  settle: { kind: 'spo2', goodMs: 10_000, breakMs: 5000 },
  listen: () => payload => understand(text(payload)),
})
