import { readdirSync, readFileSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from '@jest/globals'

const root = fileURLToPath(new URL('..', import.meta.url))

/** Who may import whom: a folder sees itself and these (DESIGN 3). The order is the way of the data. */
const mayImport: Record<string, readonly string[]> = {
  base: [],
  reading: ['base'],
  transport: ['base'],
  driver: ['base', 'reading'],
  resident: ['base', 'reading'],
  wire: ['base', 'reading'],
  outbox: ['base'],
  identity: ['base', 'wire'],
  uplink: ['base', 'reading', 'wire', 'outbox', 'identity'],
  control: ['base'],
  daemon: [
    'base',
    'reading',
    'transport',
    'driver',
    'resident',
    'wire',
    'outbox',
    'identity',
    'uplink',
    'control',
  ],
  cli: ['base', 'reading', 'transport', 'driver', 'identity', 'control', 'daemon'],
  receiver: ['base', 'reading', 'wire'],
}

interface Import {
  from: string
  file: string
  names: string
}

const files = (folder: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.ts'))
    .map(name => join(folder, name))

/** Every `from '…'`, `import('…')` and `new URL('….ts'` of a file. */
function imports(file: string): Import[] {
  const text = readFileSync(join(root, file), 'utf8')
  const found = text.matchAll(/(?:\bfrom\s+|\bimport\s*\(\s*|\bimport\s+|new URL\(\s*)'([^']+)'/g)
  return [...found].map(([, names = '']) => ({ from: file.split('/')[1]!, file, names }))
}

const inside = ({ file, names }: Import): string | undefined => {
  if (!names.startsWith('.')) return undefined
  const [top, folder] = relative(root, resolve(root, file, '..', names)).split('/')
  return top === 'src' ? folder : top
}

test('every folder of src is in the table, and nothing else is', () => {
  const folders = readdirSync(join(root, 'src'), { withFileTypes: true }).map(entry => entry.name)
  expect(folders.sort()).toEqual(Object.keys(mayImport).sort())
})

test('the table has no ring: each folder sees only folders before it', () => {
  const order = Object.keys(mayImport)
  for (const [folder, seen] of Object.entries(mayImport)) {
    for (const other of seen) expect(order.indexOf(other)).toBeLessThan(order.indexOf(folder))
  }
})

test('src keeps to the table', () => {
  const wrong = files('src')
    .flatMap(imports)
    .filter(one => one.names.startsWith('.') || one.names === '#driver')
    .filter(one => {
      const to = inside(one)
      // drivers/ is data to the loader: it is named there by its folder, never by a file
      if (to === 'drivers') return !one.file.startsWith('src/driver/')
      // package.json and the compile cache are no code of ours
      if (to === 'package.json' || to === 'node_modules') return false
      return to === undefined || (to !== one.from && !mayImport[one.from]!.includes(to))
    })
    .map(one => `${one.file} imports ${one.names}`)
  expect(wrong).toEqual([])
})

test('a driver imports #driver and nothing else', () => {
  const wrong = files('drivers')
    .flatMap(imports)
    .filter(one => one.names !== '#driver')
    .map(one => `${one.file} imports ${one.names}`)
  expect(wrong).toEqual([])
})

test('no file is two nouns: none is longer than 300 lines', () => {
  const long = ['src', 'drivers', 'scripts', 'test'].flatMap(files).filter(file => {
    return readFileSync(join(root, file), 'utf8').split('\n').length - 1 > 300
  })
  expect(long).toEqual([])
})

test('a folder is entered by one index only: #driver', () => {
  expect(files('src').filter(file => file.endsWith('/index.ts'))).toEqual(['src/driver/index.ts'])
})
