import { execFileSync, spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from '@jest/globals'
import type { Place } from '../../src/daemon/custody.ts'
import { scene } from './scene.ts'

const taker = fileURLToPath(new URL('./taker.ts', import.meta.url))

/** strace, made to fail every fsync from the nth on, as a dying card does; undefined where it cannot trace. */
function failing(nth: number): string[] | undefined {
  try {
    execFileSync('strace', ['-qq', '-o', '/dev/null', 'true'], { stdio: 'pipe' })
  } catch {
    return undefined
  }
  const calls = 'fsync,fdatasync'
  return [
    '-f',
    '-qq',
    '-o',
    '/dev/null',
    '-e',
    `trace=${calls}`,
    '-e',
    `inject=${calls}:error=EIO:when=${nth}+`,
  ]
}

// Opening a new outbox takes about a dozen syncs, each commit after it one or two.
test.each([17, 30])(
  'when the disk fails at sync %i, nothing more is told taken, and the program ends',
  async nth => {
    const tracing = failing(nth)
    if (tracing === undefined) {
      console.log('skipped: strace is missing or may not trace here')
      return
    }
    const at = scene()
    const { seed, serverBox } = at.settings
    const settings = join(at.folder, 'settings.json')
    const text = {
      seed: Buffer.from(seed).toString('hex'),
      serverBox: Buffer.from(serverBox).toString('hex'),
    }
    writeFileSync(settings, JSON.stringify({ ...at.settings, ...text }))
    const child = spawn('strace', [...tracing, process.execPath, taker, settings, 'keep'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let told = ''
    let trouble = ''
    child.stdout.on('data', (chunk: Buffer) => {
      told += chunk.toString()
    })
    child.stderr.on('data', (chunk: Buffer) => {
      trouble += chunk.toString()
    })
    expect(await new Promise(resolve => child.on('close', resolve))).toBe(1)
    expect(trouble).toContain('SQLITE_IOERR_FSYNC')
    const places = told.split('\n').flatMap(line => (line === '' ? [] : [JSON.parse(line.slice(6)) as Place]))
    expect(places.length).toBeGreaterThan(0)
    const custody = await at.start()
    const kept = new Map((await custody.due(0, 10_000)).map(({ parcel }) => [parcel.seq, parcel.epoch]))
    expect(places.filter(({ epoch, seq }) => kept.get(seq) !== epoch)).toEqual([])
    expect((await custody.verify()).problems).toEqual([])
    await at.clear()
  },
)
