import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hex, sha256, unhex } from '../../src/base/bytes.ts'
import type { Taken } from '../../src/control/api.ts'
import { listFlags } from '../../src/receiver/flags.ts'
import { readFacts } from '../../src/receiver/state.ts'
import { check, type Violation } from '../history/check.ts'
import { type Event, type Line, steadyMs } from '../history/history.ts'
import type { WayBox, WaySite } from '../way/site.ts'
import { noteTaken } from '../way/tally.ts'
import type { Writer } from '../way/writer.ts'

/** The history of one box at one site: what the device printed, the box told, and the server has. */
export interface Chronicle {
  /** What the box told to have taken, in the order in which it came. */
  taken: readonly Taken[]
  write(actor: string, event: Event): void
  /** Writes down what the device prints from now on. */
  watch(writer: Pick<Writer, 'lines'>): void
  /** Writes down what the box tells to be taken, until its daemon goes. */
  follow(): Promise<{ ended: Promise<void> }>
  /** No fault from here on; `drained` once nothing waits for a receipt. */
  calm(): void
  drained(): void
  /** What the checker says of all that, with what the server has now; a history that does not hold is kept. */
  violations(): Violation[]
}

/** A row of a chain at the server, and the frame in it if it is a reading. */
interface Stored {
  id: number
  epoch: string
  seq: number
  head: string
  raw: string | null
}

/** The hash by which the control socket names the frame of a line. */
export const frameHash = (line: string): string => hex(sha256(Buffer.from(`${line}\r\n`)))
const lineOf = (raw: string): string => Buffer.from(unhex(raw)).toString('latin1').trimEnd()

/** Begins a history; `seed` names its file. The values are the lines of a device, of which none comes twice. */
export function openChronicle(site: WaySite, box: WayBox, device: string, seed: number): Chronicle {
  const lines: Line[] = []
  const lineByFrame = new Map<string, string>()
  const taken: Taken[] = []
  const { server } = readFacts(site.receiver)
  const { gateway } = box
  let printer: { lines: ReadonlySet<string>; next: Iterator<string>; count: number } | undefined
  let flagged = 0
  let stored = 0

  const write = (actor: string, event: Event): void => void lines.push({ at: steadyMs(), actor, ...event })

  /** What was begun to be printed since the last look. */
  const print = (): void => {
    // an iterator of a set tells what is added to it as long as it was not asked beyond its end
    while (printer !== undefined && printer.count < printer.lines.size) {
      const { value } = printer.next.next() as { value: string }
      printer.count++
      lineByFrame.set(frameHash(value), value)
      write(device, { op: 'produced', device, value })
    }
  }

  const store = (): void => {
    const rows = site.store.all<Stored>(
      `SELECT chains.id, chains.epoch, chains.seq, chains.head, raw
       FROM chains LEFT JOIN readings ON readings.hash = chains.hash
       WHERE chains.gateway = ? AND chains.id > ? ORDER BY chains.id`,
      gateway,
      stored,
    )
    for (const { id, epoch, seq, head, raw } of rows) {
      const value = raw === null ? {} : { value: lineOf(raw) }
      write('server', { op: 'stored', server, gateway, epoch, seq, head, ...value })
      stored = id
    }
    const flags = listFlags(site.store, {})
    for (const { flag } of flags.slice(flagged)) write('server', { op: 'flag', server, gateway, flag })
    flagged = flags.length
  }

  const told = {
    push(...all: Taken[]) {
      print()
      for (const { epoch, seq, hash } of all) {
        const value = lineByFrame.get(hash) ?? `frame ${hash}`
        write('gateway', { op: 'taken', gateway, epoch, seq, value })
      }
      return taken.push(...all)
    },
  }

  return {
    taken,
    write,
    watch({ lines }) {
      print()
      printer = { lines, next: lines.values(), count: 0 }
    },
    follow: () => noteTaken(box, told),
    calm: () => write('test', { op: 'calm' }),
    drained() {
      print()
      store()
      write('gateway', { op: 'drained', gateway })
    },
    violations() {
      print()
      store()
      const found = check(lines)
      if (found.length > 0) {
        const file = join(tmpdir(), `vitalgate-history-${seed}.jsonl`)
        writeFileSync(file, lines.map(line => `${JSON.stringify(line)}\n`).join(''))
        process.stdout.write(`the history that does not hold: ${file}; VITALGATE_SEED=${seed} tries again\n`)
      }
      return found
    },
  }
}
