import {
  calendar,
  driver,
  malformed,
  none,
  quantity,
  type Said,
  type Silent,
  sumText,
  text,
  type Values,
} from '#driver'

// One long line after each measurement: `{0,16,~0,1,MO,"PW-650",…,Wk,58.1,…,CS,D6`.
// Source: Tanita manuals PW-650MA p.25, SC-240 p.24, BD-815; see NOTES.md.

const weightKeys = { Wk: 'kg', Wp: 'lb', Wg: 'g' } as const
const key = /^(?:\{0|~\d|[A-Za-z]{2})$/
const value = /^(?:"[^"]*"|-?\d+(?:\.\d+)?|)$/
const number = /^-?\d+(?:\.\d+)?$/

/** All pairs of the line. Keys are case-sensitive: FW is the fat, fW is another number. */
function pairsOf(line: string): Map<string, string> {
  if (!/^[\x20-\x7e]*$/.test(line)) throw malformed('line has unprintable bytes')
  const words = line.split(',')
  if (words.length % 2 !== 0) throw malformed('line has a key without a value')
  const pairs = new Map<string, string>()
  for (let at = 0; at < words.length; at += 2) {
    const [name, word] = [words[at]!, words[at + 1]!]
    if (!key.test(name) || !value.test(word)) throw malformed(`pair ${at / 2 + 1} is no key and value`)
    if (pairs.has(name)) throw malformed(`key ${name} stands twice`)
    pairs.set(name, word)
  }
  return pairs
}

/** The number of a key; undefined where the key is absent, blank or zero, which is how it says "not measured". */
function numberOf(pairs: Map<string, string>, name: string): string | undefined {
  const word = pairs.get(name) ?? ''
  if (word === '' || /^[0.]+$/.test(word)) return undefined
  if (!number.test(word) || word.startsWith('-')) throw malformed(`${name} is no positive number`)
  return word
}

const unquoted = (word: string | undefined): string => (word ?? '').replaceAll('"', '')

/** Date order differs by model, the year's four digits tell it. An unset clock gives no time. */
function timeOf(pairs: Map<string, string>): string | undefined {
  const date = unquoted(pairs.get('Da') ?? pairs.get('DT'))
  const time = /^(\d\d):(\d\d)(?::(\d\d))?$/.exec(unquoted(pairs.get('TI') ?? pairs.get('Ti')))
  if (time === null) return undefined
  const dayFirst = /^(\d\d)\/(\d\d)\/(\d{4})$/.exec(date)
  const yearFirst = /^(\d{4})\/(\d\d)\/(\d\d)$/.exec(date)
  if (dayFirst !== null)
    return calendar(dayFirst[3]!, dayFirst[2]!, dayFirst[1]!, time[1]!, time[2]!, time[3])
  if (yearFirst !== null)
    return calendar(yearFirst[1]!, yearFirst[2]!, yearFirst[3]!, time[1]!, time[2]!, time[3])
  return undefined
}

function understand(line: string): Said | Silent {
  const pairs = pairsOf(line)
  if (pairs.has('CS')) throw malformed('line has a checksum, but the option checksum is off')
  const keys = (['Wk', 'Wp', 'Wg'] as const).filter(name => pairs.has(name))
  if (keys.length > 1) throw malformed('line has several weights')
  const [weightKey] = keys
  if (weightKey === undefined) return { silent: 'no-value' }
  const word = pairs.get(weightKey)!
  if (/^-\d/.test(word)) return { silent: 'negative' }
  const weight = numberOf(pairs, weightKey)
  if (weight === undefined) return { silent: word === '' ? 'no-value' : 'zero' }
  const [fat, bmi, height] = [numberOf(pairs, 'FW'), numberOf(pairs, 'MI'), numberOf(pairs, 'Hm')]
  const measured: Values = {
    'body-weight': quantity(weight, weightKeys[weightKey]),
    ...(height !== undefined && { 'body-height': quantity(height, 'cm') }),
    ...(bmi !== undefined && { bmi: quantity(bmi, 'kg/m2') }),
    ...(fat !== undefined && { 'body-fat': quantity(fat, '%') }),
  }
  const deviceTime = timeOf(pairs)
  const deviceId = unquoted(pairs.get('ID')).trim()
  return {
    measured,
    ...(deviceTime !== undefined && { deviceTime }),
    ...(!/^0*$/.test(deviceId) && { deviceId }),
  }
}

export default driver({
  name: 'Tanita scales and body composition analysers with a data line',
  revision: 1,
  options: {
    checksum: {
      choices: [true, false],
      default: true,
      tells: 'false for models that send no checksum (BD-815); their readings are noted as unguarded',
    },
    baud: { choices: [9600, 2400, 4800, 19200], default: 9600, tells: 'speed as set on the scale' },
  },
  link: ({ baud }) => ({ serial: { baud }, frame: { from: '{0,', to: '\r\n' } }),
  // The sum runs to the comma before CS, that comma included; SC-330 closes with a brace after it.
  check: ({ checksum }) => (checksum ? sumText({ mark: ',CS,', less: 3, tail: '}' }) : none),
  says: ['body-weight', 'body-height', 'bmi', 'body-fat'],
  listen: () => payload => understand(text(payload)),
})
