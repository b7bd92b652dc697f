import { isFault } from '../base/fault.ts'
import { print, printJson, say, table } from '../base/output.ts'
import { type Drivers, loadDrivers } from '../driver/load.ts'
import { type Outcome, openSession } from '../driver/session.ts'
import type { Setup } from '../driver/setup.ts'
import type { Capture, CaptureLine } from '../transport/capture.ts'
import { lineRow, setupOf } from './capture-decode.ts'
import { seconds, told } from './capture-told.ts'
import { readable } from './readable.ts'

/** How many bytes stand in a row. */
const perRow = 16

/** Bytes that belong together: of one chunk, up to the end of a frame in it. */
interface Stretch {
  t: number
  way: string
  char: string
  bytes: Uint8Array
  meaning: string
}

const spaced = (bytes: Uint8Array): string =>
  Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join(' ')

const meaningOf = (outcomes: readonly Outcome[]): string =>
  outcomes.map(({ heard, said }) => `${told(heard)}${said === undefined ? '' : ' (counts)'}`).join('; ')

/** The chunks of a capture, cut where its driver heard a frame end. */
function* stretches(lines: readonly CaptureLine[], setup: Setup | undefined): Generator<Stretch> {
  const session = setup && openSession(setup, 0)
  const step = setup !== undefined && 'ble' in setup.link ? Number.POSITIVE_INFINITY : 1
  let now = 0
  for (const { t, way, bytes, char = '' } of lines) {
    for (let due = session?.due(); due !== undefined && due <= t; due = session?.due()) {
      const meaning = meaningOf(session!.rest(due))
      session!.sends()
      if (meaning !== '') yield { t: due, way: '', char: '', bytes: new Uint8Array(), meaning }
    }
    now = t
    let from = 0
    let shown = false
    if (session !== undefined && way === 'in') {
      for (let at = 0; at < bytes.length || at === 0; at += step) {
        const to = Math.min(at + step, bytes.length)
        const meaning = meaningOf(session.hear(bytes.subarray(at, to), t, char))
        session.sends()
        if (meaning === '') continue
        yield { t, way, char, bytes: bytes.subarray(from, to), meaning }
        from = to
        shown = true
      }
    }
    if (from < bytes.length || !shown) {
      yield { t, way, char, bytes: bytes.subarray(from), meaning: '' }
    }
  }
  const meaning = meaningOf(session?.end(now) ?? [])
  if (meaning !== '') yield { t: now, way: '', char: '', bytes: new Uint8Array(), meaning }
}

function rowsOf({ t, way, char, bytes, meaning }: Stretch): string[][] {
  const count = Math.max(1, Math.ceil(bytes.length / perRow))
  return Array.from({ length: count }, (_, row) => {
    const part = bytes.subarray(row * perRow, (row + 1) * perRow)
    const place = row === 0 ? [seconds(t), way, char] : ['', '', '']
    return [...place, spaced(part), readable(part), row === 0 ? meaning : '']
  })
}

/** The driver that the header names with its options; undefined, and why on stderr, where it cannot be had. */
function setupIn(capture: Capture, drivers: Drivers): Setup | undefined {
  if (capture.header.driver === undefined) return undefined
  try {
    return setupOf(capture, drivers)
  } catch (fault) {
    // The bytes are worth a look even so.
    if (!isFault(fault)) throw fault
    say(`shown without meanings: ${fault.message}`)
    return undefined
  }
}

/** Prints a capture for people, with what its driver hears in it; or as it is, as JSON. */
export async function showCapture(capture: Capture, json: boolean): Promise<void> {
  const { header, lines } = capture
  if (json) {
    printJson(header)
    for (const line of lines) printJson(lineRow(line))
    return
  }
  for (const [name, value] of Object.entries(header)) {
    print(`${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`)
  }
  const setup = header.driver === undefined ? undefined : setupIn(capture, await loadDrivers())
  const ble = header.link === 'ble'
  const wanted = [true, true, ble, true, true, setup !== undefined]
  const narrowed = (row: readonly string[]): string[] => row.filter((_, column) => wanted[column])
  const rows = [...stretches(lines, setup)].flatMap(rowsOf)
  print(table(narrowed(['SECONDS', 'WAY', 'CHAR', 'HEX', 'TEXT', 'MEANING']), rows.map(narrowed)))
}
