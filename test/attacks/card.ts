import { chmodSync, cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { until } from '../../scripts/scenario/program.ts'
import type { OutboxReport } from '../../src/control/api.ts'
import { places } from '../../src/identity/places.ts'
import { patienceMs, type WayBox } from '../way/site.ts'
import { namesOf, weightOf } from './outcome.ts'
import type { Scene } from './scene.ts'

/** A row of an outbox, as it lies on the disk of a box that is off. */
export interface DiskRow {
  id: number
  epoch: number
  seq: number
  prev: Buffer
  head: Buffer
  envelope: Buffer
}

/** Opens the outbox of a box that is off, as whoever holds its card can. */
export function onDisk<T>(box: WayBox, edit: (db: Database.Database) => T): T {
  const db = new Database(places(box.state).outbox)
  try {
    return edit(db)
  } finally {
    db.close()
  }
}

/** The rows of an outbox that wait for a receipt, the oldest first. */
export const queuedRows = (db: Database.Database): DiskRow[] =>
  db.prepare<[], DiskRow>("SELECT * FROM row WHERE state = 'queued' ORDER BY id").all()

const endings = ['', '-wal', '-shm'] as const

/** Copies a database with what belongs to it; nobody may have it open. */
export function copyDatabase(from: string, to: string): void {
  for (const ending of endings) {
    rmSync(`${to}${ending}`, { force: true })
    if (!existsSync(`${from}${ending}`)) continue
    cpSync(`${from}${ending}`, `${to}${ending}`)
    chmodSync(`${to}${ending}`, 0o600)
  }
}

/** The first gateway takes weights while its server is away; they wait on its disk. */
export async function queueUp(scene: Scene, count: number): Promise<number[]> {
  const { first } = scene
  await scene.stop('receiver')
  const before = (await first.status()).outbox.queued
  const weights = Array.from({ length: count }, () => scene.weigh(first))
  await until(
    'weights on disk',
    patienceMs,
    async () => (await first.status()).outbox.queued >= before + count,
  )
  return weights
}

/**
 * Somebody edits the disk of the first gateway while rows wait on it; then everything runs again. Gives what
 * the receiver was told, and how many of the weights never came.
 */
export async function tampered(
  scene: Scene,
  edit: (db: Database.Database, rows: DiskRow[]) => void,
  look: () => Promise<void> = async () => undefined,
): Promise<string> {
  const { first } = scene
  const mark = scene.mark()
  const weights = await queueUp(scene, 3)
  await scene.restart('first', () =>
    onDisk(first, db => {
      edit(db, queuedRows(db).slice(-3))
    }),
  )
  await look()
  await scene.start('receiver')
  // what is declared is declared before what comes later
  await scene.arrived(first, scene.weigh(first))
  const there = new Set((await scene.readings()).map(weightOf))
  const told = namesOf(await scene.flagsSince(mark)) || 'nothing told'
  return `${told}, ${weights.filter(weight => !there.has(weight)).length} of 3 lost`
}

/** The true program finds on the first gateway's disk what an attack left there, and tells it. */
export async function heal(scene: Scene): Promise<void> {
  scene.without([], [])
  await scene.restart('first')
  await scene.arrived(scene.first, scene.weigh(scene.first))
}

/** What `outbox verify` says: the problems that it names, each once. */
export async function verified(scene: Scene, box: WayBox): Promise<string> {
  const { out } = await scene.build.type('vitalgate', '--state', box.state, '--json', 'outbox', 'verify')
  const { problems } = JSON.parse(out) as OutboxReport
  const kinds = new Set(problems.filter(one => !one.declared).map(({ problem }) => problem))
  return kinds.size === 0 ? 'in order' : `outbox.damaged: ${[...kinds].sort().join(' ')}`
}

/** Whether any file of a box's folder holds one of these words. */
export function holds(box: WayBox, words: readonly string[]): boolean {
  const files = readdirSync(box.state, { withFileTypes: true }).filter(one => one.isFile())
  return files.some(({ name }) => {
    const bytes = readFileSync(join(box.state, name))
    return words.some(word => bytes.includes(word))
  })
}

/** What was accepted meanwhile is forgotten by the first box afterwards, the versions that it saw included. */
export async function undone(scene: Scene, act: () => Promise<string>): Promise<string> {
  const { keys, route, identity } = places(scene.first.state)
  const before = [keys, route, identity].map(file => [file, readFileSync(file)] as const)
  try {
    return await act()
  } finally {
    const isChanged = before.some(([file, bytes]) => !bytes.equals(readFileSync(file)))
    const restore = () => before.forEach(([file, bytes]) => void writeFileSync(file, bytes))
    if (isChanged) await scene.restart('first', restore)
  }
}
