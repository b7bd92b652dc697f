import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { codeOf } from '../../src/base/fault.ts'
import { exitOf, print, tellFault, usage } from '../../src/base/output.ts'
import { bleFiles } from './ble.ts'
import { serialFiles } from './serial.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** What was typed. A malformed id, a missing name and a driver that is there are faults. */
function wanted(): { id: string; name: string; ble: boolean } {
  const { values, positionals } = read()
  const [id, ...more] = positionals
  const name = values.name?.trim() ?? ''
  if (id === undefined || more.length > 0) {
    throw usage('name one driver', 'scripts/new-driver acme-ws100 --name "Acme WS-100"')
  }
  if (!/^[a-z0-9]+(-[a-z0-9]+)*$/.test(id) || id.length > 40) {
    const hint = 'maker-model, or the name of a protocol: a-z, 0-9 and single hyphens, at most 40 characters'
    throw usage(`id of a driver is not in its form: ${id}`, hint)
  }
  if (!/^[\x20-\x7e]{1,100}$/.test(name)) {
    throw usage(
      'the name of the device is missing, or longer than 100 characters',
      'give --name "Maker model"',
    )
  }
  for (const path of [`drivers/${id}`, `test/drivers/${id}.test.ts`]) {
    if (existsSync(join(root, path))) {
      throw usage(`${path} is there already`, 'an id is never used twice: take another one')
    }
  }
  return { id, name, ble: values.ble === true }
}

function read() {
  try {
    return parseArgs({
      options: { name: { type: 'string' }, ble: { type: 'boolean' } },
      allowPositionals: true,
    })
  } catch (error) {
    if (!codeOf(error)?.startsWith('ERR_PARSE_ARGS')) throw error
    throw usage((error as Error).message.split('\n')[0]!.replace(/\.$/, '').toLowerCase())
  }
}

try {
  const { id, name, ble } = wanted()
  const files = ble ? bleFiles(id, name) : serialFiles(id, name)
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text, { flag: 'wx' })
    print(path)
  }
  print(`
It runs as it is, with an invented device. Next:
  1. make captures of the true device:  vitalgate capture record ${ble ? '--device ID' : '--port /dev/ttyUSB0 --baud 9600'}
     (scrub what a person may stand in: vitalgate capture scrub FILE --out FILE)
  2. fill in what is marked FILL IN:     grep -rn "FILL IN" drivers/${id} test/drivers/${id}.test.ts
  3. have three captures or more in drivers/${id}/captures, each with what the manual says that it means
  4. judge it:                           npm run check; npm test -- test/replay.test.ts test/drivers/${id}.test.ts
docs/DRIVERS.md tells the rest.`)
} catch (error) {
  tellFault('new-driver', error, false)
  process.exitCode = exitOf(error)
}
