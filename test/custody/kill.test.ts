import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from '@jest/globals'
import type { Place } from '../../src/daemon/custody.ts'
import { isRelease } from '../size.ts'
import { type Scene, scene } from './scene.ts'

const cycles = isRelease ? 300 : 30
const taker = fileURLToPath(new URL('./taker.ts', import.meta.url))

/** Runs the taker until it has told so many places, then kills it at a random moment; the lines it told. */
function runAndKill(settings: string, mode: string): Promise<string[]> {
  const child = spawn(process.execPath, [taker, settings, mode], { stdio: ['ignore', 'pipe', 'inherit'] })
  const enough = randomInt(1, 200)
  let told = ''
  let armed = false
  return new Promise((resolve, reject) => {
    child.stdout.on('data', (chunk: Buffer) => {
      told += chunk.toString()
      if (armed || told.split('\n').length < enough) return
      armed = true
      setTimeout(() => child.kill('SIGKILL'), randomInt(0, 20))
    })
    child.on('exit', (code, signal) => {
      if (signal === 'SIGKILL') resolve(told.split('\n').slice(0, -1))
      else reject(new Error(`taker ended by itself: ${code}`))
    })
  })
}

interface Disk {
  rows: Map<string, string>
  receipts: { epoch: string; seq: number }[]
}

const readDisk = (at: Scene): Disk =>
  at.edit(db => {
    const rows = db
      .prepare(
        'SELECT epoch.epoch AS epoch, row.seq AS seq, row.head AS head FROM row JOIN epoch ON epoch.id = row.epoch',
      )
      .all() as { epoch: string; seq: number; head: Buffer }[]
    return {
      rows: new Map(rows.map(({ epoch, seq, head }) => [`${epoch} ${seq}`, head.toString('hex')])),
      receipts: db
        .prepare(
          'SELECT epoch.epoch AS epoch, receipt.seq AS seq FROM receipt JOIN epoch ON epoch.id = receipt.epoch',
        )
        .all() as Disk['receipts'],
    }
  })

test(
  'killed at any moment, every place that was told is on disk or under a receipt, and none is given twice',
  async () => {
    const at = scene({ graceMs: 0 })
    const { seed, serverBox } = at.settings
    const settings = join(at.folder, 'settings.json')
    const text = {
      seed: Buffer.from(seed).toString('hex'),
      serverBox: Buffer.from(serverBox).toString('hex'),
    }
    writeFileSync(settings, JSON.stringify({ ...at.settings, ...text }))
    const places = new Map<string, string>()
    let receipted = 0
    for (let cycle = 0; cycle < cycles; cycle++) {
      for (const line of await runAndKill(settings, cycle % 2 === 0 ? 'keep' : 'settle')) {
        const [word, json] = [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)]
        const { epoch, seq, head } = JSON.parse(json) as Place
        if (word === 'receipted') receipted += 1
        else if (places.has(`${epoch} ${seq}`)) throw new Error(`${epoch} ${seq} was given twice`)
        else places.set(`${epoch} ${seq}`, head)
      }
      const { rows, receipts } = readDisk(at)
      const absent = [...places].filter(([place, head]) => {
        const [epoch, seq] = place.split(' ')
        if (rows.has(place)) return rows.get(place) !== head
        return !receipts.some(one => one.epoch === epoch && one.seq >= Number(seq))
      })
      expect(absent).toEqual([])
    }
    expect(places.size).toBeGreaterThan(cycles * 10)
    expect(receipted).toBeGreaterThan(0)
    const custody = await at.start()
    expect((await custody.verify()).problems).toEqual([])
    await at.clear()
  },
  cycles * 6000,
)
