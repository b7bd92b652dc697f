import type { Database } from 'better-sqlite3'
import { recordsIn, type Stored, type StoredRecord } from './pages.ts'
import { covers, type Receipt, receiptsOf } from './receipts.ts'

/** What stands in each column of a table, by which its records are known again; the first is the rowid. */
const shapes = {
  epoch: '-tttiibibiiii',
  row: '-iitinbbb',
  proof: '-tbb',
  receipt: '-iibtii',
} as const
type Table = keyof typeof shapes

const states = ['queued', 'receipted', 'lost']

/** The lengths of an epoch's name and of a head. */
const [nameLength, headLength] = [16, 32]

const isHead = (value: Stored | undefined): boolean => Buffer.isBuffer(value) && value.length === headLength

function fits(kind: string, value: Stored | undefined): boolean {
  if (kind === '-') return value === null
  if (kind === 't') return typeof value === 'string'
  if (kind === 'b') return Buffer.isBuffer(value)
  return typeof value === 'number' || (kind === 'n' && value === null)
}

const looks: Record<Table, (values: Stored[]) => boolean> = {
  epoch: values => String(values[1]).length === nameLength && isHead(values[6]) && isHead(values[8]),
  row: values => states.includes(String(values[3])) && isHead(values[6]) && isHead(values[7]),
  proof: () => true,
  receipt: values => isHead(values[3]),
}

/** The table that a record is of; undefined where it is none that must be rescued. */
const tableOf = ({ values }: StoredRecord): Table | undefined =>
  (Object.keys(shapes) as Table[]).find(
    table =>
      values.length === shapes[table].length &&
      values.every((value, at) => fits(shapes[table][at]!, value)) &&
      looks[table](values),
  )

/**
 * Brings over what stands whole on some page of a damaged file and was not reached: epochs, rows, receipts and their
 * proofs. Rows that a receipt covers stay behind: the server has them, and they may have been forgotten long ago.
 * Whether a row is what it says is for the chain's check. How many rows were brought.
 */
export function rescue(path: string, to: Database): number {
  const into = (table: Table): ((record: StoredRecord) => number) => {
    const put = to.prepare(
      `INSERT OR IGNORE INTO ${table} VALUES (?${', ?'.repeat(shapes[table].length - 1)})`,
    )
    return ({ rowid, values: [, ...rest] }) => put.run(rowid, ...rest).changes
  }
  const known = (table: 'epoch' | 'proof'): Set<Stored> =>
    new Set(to.prepare<[], number>(`SELECT id FROM ${table}`).pluck().all())
  const each = (...tables: Table[]): StoredRecord[][] => {
    const found = tables.map((): StoredRecord[] => [])
    for (const record of recordsIn(path)) {
      const table = tableOf(record)
      if (table !== undefined && tables.includes(table)) found[tables.indexOf(table)]!.push(record)
    }
    return found
  }
  const [epochs = [], proofs = [], receipts = []] = each('epoch', 'proof', 'receipt')
  // a page that is in use no more may hold an epoch as it once was
  epochs.sort((a, b) => Number(b.values[7]) - Number(a.values[7]))
  const [putEpoch, putProof] = [into('epoch'), into('proof')]
  for (const one of epochs) putEpoch(one)
  for (const one of proofs) putProof(one)
  const [ours, proven] = [known('epoch'), known('proof')]
  const putReceipt = into('receipt')
  for (const one of receipts) if (ours.has(one.values[1]!) && proven.has(one.values[6]!)) putReceipt(one)
  const held = new Map<Stored, Receipt[]>()
  const isHeld = (epoch: number, seq: number): boolean => {
    if (!held.has(epoch)) held.set(epoch, receiptsOf(to).of(epoch))
    return held.get(epoch)!.some(one => covers(one, seq))
  }
  const gone = to.prepare('SELECT 1 FROM gone WHERE epoch = ? AND ? BETWEEN first AND last')
  const putRow = into('row')
  let rows = 0
  for (const record of recordsIn(path)) {
    if (tableOf(record) !== 'row') continue
    const [, epoch, seq] = record.values as [null, number, number]
    if (!ours.has(epoch) || gone.get(epoch, seq) !== undefined || isHeld(epoch, seq)) continue
    rows += putRow(record)
  }
  return rows
}
