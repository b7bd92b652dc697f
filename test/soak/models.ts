import type { SerialModel } from './serial.ts'

// Each device gives its n-th measurement values of its own, so that every one can be told from all others.
// Frames after the makers' grammars (drivers/*/NOTES.md); check bytes are calculated here.

const two = (n: number): string => String(n).padStart(2, '0')
const latin1 = (bytes: readonly number[]): string => String.fromCharCode(...bytes)
const codes = (text: string): number[] => [...text].map(one => one.charCodeAt(0))
const sum = (text: string): number => codes(text).reduce((total, byte) => (total + byte) & 0xff, 0)

/** From 40.0 kg in steps of 0.1, more than one kilogram from the one before. */
const weightOf = (n: number): string => (40 + ((n * 3.7) % 60)).toFixed(1)
const pressuresOf = (n: number) => ({
  sys: 110 + (n % 90),
  dia: 50 + (Math.floor(n / 90) % 50),
  pulse: 60 + (n % 40),
})
/** A minute of its own for each measurement. */
const minuteOf = (n: number) => ({
  hour: two(Math.floor(n / 60) % 24),
  minute: two(n % 60),
  day: two(1 + Math.floor(n / 1440)),
})

const repeated = (text: string, times: number, afterMs: number) =>
  Array.from({ length: times }, () => ({ afterMs, text }))

const andLine: SerialModel = {
  driver: 'and-line',
  measure(n) {
    const line = (state: string, weight: string): string => `${state},GS,+${weight.padStart(7, '0')}kg\r\n`
    const weight = weightOf(n)
    return {
      key: String(Number(weight)),
      frames: [
        ...repeated(line('ST', '0.0'), 3, 100),
        ...repeated(line('US', '31.4'), 3, 100),
        ...repeated(line('ST', weight), 20, 100),
        ...repeated(line('US', '12.0'), 2, 100),
        ...repeated(line('ST', '0.0'), 3, 100),
      ],
    }
  },
}

const ohaus: SerialModel = {
  driver: 'ohaus-print',
  measure(n) {
    const line = (weight: string, mark = ' '): string => `${weight.padStart(8)} kg   ${mark}G\r\n`
    const weight = weightOf(n)
    return {
      key: String(Number(weight)),
      frames: [
        ...repeated(line('0.0'), 3, 100),
        ...repeated(line('23.4', '?'), 3, 100),
        ...repeated(line(weight), 10, 100),
        ...repeated(line('9.9', '?'), 2, 100),
        ...repeated(line('0.0'), 3, 100),
      ],
    }
  },
}

const tanita: SerialModel = {
  driver: 'tanita-csv',
  measure(n) {
    const { day, hour, minute } = minuteOf(n)
    const weight = weightOf(n)
    const line = `{0,16,~0,1,MO,"PW-650",Da,"${day}/04/2026",TI,"${hour}:${minute}",Wk,${weight},Pt,0.0,Ta,0.0,`
    const text = `${line}CS,${sum(line).toString(16).toUpperCase().padStart(2, '0')}\r\n`
    return { key: String(Number(weight)), frames: [{ afterMs: 100, text }] }
  },
}

/** Weight on the platform of the scale that is asked; undefined while nobody stands there. */
let onPlatform: string | undefined
let moving = false
/** How often it was asked since somebody stepped on or off. */
let asked = 0

const sma: SerialModel = {
  driver: 'sma-scale',
  answer: () => {
    asked++
    const weight = (onPlatform ?? '0.0').padStart(10)
    return `\n${onPlatform === undefined ? 'Z' : ' '}1G${moving ? 'M' : ' '} ${weight}kg \r`
  },
  measure(n) {
    const weight = weightOf(n)
    /** Its frames are answers: what is "sent" is that somebody steps on or off, and stays for a while. */
    const step = (to: string | undefined, moves: boolean, times: number) => ({
      afterMs: 0,
      get text() {
        onPlatform = to
        moving = moves
        asked = 0
        return ''
      },
      until: () => asked >= times,
    })
    const frames = [
      step(undefined, false, 3),
      step(weight, true, 3),
      step(weight, false, 6),
      step(undefined, false, 3),
    ]
    return { key: String(Number(weight)), frames }
  },
}

const tm2655: SerialModel = {
  driver: 'and-tm2655',
  measure(n) {
    const { sys, dia, pulse } = pressuresOf(n)
    const { day, hour, minute } = minuteOf(n)
    const three = (value: number): string => String(value).padStart(3)
    const map = Math.round((sys + 2 * dia) / 3)
    const values = `E00\x1eS${three(sys)}\x1eM${three(map)}\x1eD${three(dia)}\x1eP${three(pulse)}\x1eI00\x1eL143`
    const body = `\x0100\x02TM2655\x1e2604${day}${hour}${minute}\x1eA\x1eBM\x1e${values}\x03`
    const bcc = codes(body).reduce((total, byte) => total ^ byte, 0)
    return { key: `${sys}/${dia}`, frames: [{ afterMs: 100, text: `\x16\x16${body}${latin1([bcc])}` }] }
  },
}

const omron: SerialModel = {
  driver: 'omron-hbp9030',
  measure(n) {
    const { sys, dia, pulse } = pressuresOf(n)
    const { day, hour, minute } = minuteOf(n)
    const three = (value: number): string => String(value).padStart(3, '0')
    const text = `2026,04,${day},${hour},${minute},${'9'.repeat(20)},0,${three(sys)},${three(dia)},${three(pulse)},0\r\n`
    return { key: `${sys}/${dia}`, frames: [{ afterMs: 100, text }] }
  },
}

const nonin: SerialModel = {
  driver: 'nonin-serial',
  answer: () => '\x06',
  measure(n) {
    const { hour, minute } = minuteOf(n)
    const bcd = (text: string): number => Number.parseInt(text, 16)
    const pulse = 50 + (n % 150)
    const data = [
      0x20,
      0x26,
      0x04,
      0x01,
      bcd(hour),
      bcd(minute),
      0x00,
      0x00,
      0x02,
      0x00,
      pulse >> 8,
      pulse & 0xff,
      0x00,
      97,
    ]
    const record = [
      0x00,
      0x02,
      0x00,
      0x0d,
      0x00,
      0x0e,
      ...data,
      data.reduce((a, b) => (a + b) & 0xff, 0),
      0x03,
    ]
    return { key: `${pulse}`, frames: [{ afterMs: 100, text: latin1(record) }] }
  },
}

const scanner: SerialModel = {
  driver: 'barcode-scanner',
  measure: n => ({ key: `BAND-${n}`, frames: [{ afterMs: 100, text: `]C0BAND-${n}\r\n` }] }),
}

/** Eight serial devices, and how long a question is for those that are asked. */
export const serialModels: readonly (SerialModel & { ask?: number })[] = [
  andLine,
  ohaus,
  tanita,
  { ...sma, ask: 3 },
  tm2655,
  omron,
  { ...nonin, ask: 6 },
  scanner,
]
