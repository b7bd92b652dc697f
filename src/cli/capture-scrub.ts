import { randomBytes } from 'node:crypto'
import { type Bytes, hex } from '../base/bytes.ts'
import type { Sign } from '../driver/driver.ts'
import { play } from '../driver/play.ts'
import { chance, type Scrubbed, scrub } from '../driver/scrub.ts'
import { openSession } from '../driver/session.ts'
import type { Setup } from '../driver/setup.ts'
import type { Capture, CaptureHeader, CaptureLine } from '../transport/capture.ts'
import { chunksOf } from './capture-decode.ts'

/** A capture without values, ids and times of people, and what there is to tell about it. */
export interface ScrubbedCapture extends Pick<Scrubbed, 'likeness' | 'kept'> {
  capture: Capture
}

/** What is known beside the capture, and may be kept. */
export interface ScrubWords {
  /** By what devices of this make are recognised: the beginning of an advertised name that is no serial number. */
  signs?: readonly Sign[]
  /** What is to stand in the header: free text of the original never does. */
  note?: string
}

/** How many characters from the end of an advertised name may be a serial number. */
const serialLength = 6

/** Each digit and letter becomes another of its class. */
const otherText = (text: string, random: () => number): string =>
  text
    .replace(/[0-9]/g, () => String(random() % 10))
    .replace(/[A-Z]/g, () => String.fromCharCode(0x41 + (random() % 26)))
    .replace(/[a-z]/g, () => String.fromCharCode(0x61 + (random() % 26)))

function otherName(name: string, signs: readonly Sign[], random: () => number): string {
  const known = signs.map(sign => sign.name ?? '').filter(begun => begun !== '' && name.startsWith(begun))
  const kept =
    known.length > 0 ? Math.max(...known.map(begun => begun.length)) : Math.max(0, name.length - serialLength)
  return name.slice(0, kept) + otherText(name.slice(kept), random)
}

/** The maker's half of an address stays. */
const otherAddress = (address: string, random: () => number): string =>
  address.replace(/([0-9A-Fa-f]{2}:){2}[0-9A-Fa-f]{2}$/, () =>
    Array.from({ length: 3 }, () => hex(Uint8Array.of(random())).toUpperCase()).join(':'),
  )

const uuid = /^([0-9a-f]{4}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})$/i
const flag =
  /^(broadcast|read|write|write-without-response|notify|indicate|authenticated-signed-writes|uuid|flags|service|services|characteristics)$/

/** Of what a device offers only the UUIDs and what can be done with them. */
function plainServices(value: unknown): unknown {
  if (typeof value === 'string') return uuid.test(value) || flag.test(value) ? value : undefined
  if (Array.isArray(value)) return value.map(plainServices).filter(one => one !== undefined)
  if (typeof value !== 'object' || value === null) return undefined
  const known = Object.entries(value).filter(([name]) => uuid.test(name) || flag.test(name))
  return Object.fromEntries(known.map(([name, one]) => [name, plainServices(one)]))
}

/** Of an advertisement only what is known to be no value. */
function plainAdvert(value: unknown, signs: readonly Sign[], random: () => number): object {
  if (typeof value !== 'object' || value === null) return {}
  const { address, name, rssi, services } = value as Record<string, unknown>
  return {
    ...(typeof address === 'string' && { address: otherAddress(address, random) }),
    ...(typeof name === 'string' && { name: otherName(name, signs, random) }),
    ...(typeof rssi === 'number' && { rssi }),
    ...(services !== undefined && { services: plainServices(services) }),
  }
}

function headerOf(
  header: CaptureHeader,
  { signs = [], note }: ScrubWords,
  random: () => number,
): CaptureHeader {
  const { when, name, services, advertisement } = header
  const month = /^\d{4}-\d\d/.exec(when ?? '')?.[0]
  return {
    capture: 1,
    ...(header.driver !== undefined && { driver: header.driver }),
    ...(header.options !== undefined && { options: header.options }),
    link: header.link,
    ...(month !== undefined && { when: month }),
    ...(note !== undefined && { note }),
    ...(name !== undefined && { name: otherName(name, signs, random) }),
    ...(services !== undefined && {
      services: plainServices(services) as CaptureHeader['services'] & object,
    }),
    ...(advertisement !== undefined && { advertisement: plainAdvert(advertisement, signs, random) }),
  }
}

/** Bytes that the driver sends to every device alike: they tell nothing. */
function* usual({ feedback, link }: Setup): Generator<string> {
  for (const text of Object.values(feedback)) yield hex(Buffer.from(text, 'latin1'))
  if (!('ble' in link)) return
  for (const step of link.ble.begin) if ('write' in step) yield step.bytes
}

/** What went to the device: what follows from the new bytes, what is always the same, and noise for all else. */
function outOf(
  lines: readonly CaptureLine[],
  before: readonly Bytes[],
  now: readonly Bytes[],
  setup: Setup,
  random: () => number,
): Bytes[] {
  const out = lines.filter(line => line.way === 'out').map(line => line.bytes)
  const asked = (all: readonly Bytes[]): boolean =>
    all.length === out.length && all.every((one, at) => hex(one) === hex(out[at]!))
  if (asked(before) && now.length === out.length) return [...now]
  const known = new Set([...usual(setup), ...now.map(hex)])
  return out.map(bytes => (known.has(hex(bytes)) ? bytes : bytes.map(() => random())))
}

/**
 * Makes a capture that can be shown: values, ids and times are replaced (see driver/scrub.ts), free text is
 * dropped, the date is rounded to its month, names and addresses lose what tells one device from the next.
 */
export function scrubCapture(
  capture: Capture,
  setup: Setup,
  words: ScrubWords = {},
  key: Uint8Array = randomBytes(32),
): ScrubbedCapture {
  const { header, lines } = capture
  const chunks = chunksOf(capture)
  const before = play(openSession(setup, 0), chunks).sent
  const { chunks: made, sent, likeness, kept } = scrub(chunks, setup, key)
  const random = chance(key, 'header')
  const heard = made.values()
  const out = outOf(lines, before, sent, setup, random).values()
  const replaced = lines.map(line => ({
    ...line,
    bytes: line.way === 'in' ? heard.next().value!.in : out.next().value!,
  }))
  return { capture: { header: headerOf(header, words, random), lines: replaced }, likeness, kept }
}
