import { readFileSync } from 'node:fs'
import { arch } from 'node:os'

/** The first of these files that says something, printable characters only. */
function firstOf(paths: readonly string[]): string | undefined {
  for (const path of paths) {
    try {
      const text = readFileSync(path, 'latin1')
        .replace(/[^\x20-\x7e]/g, '')
        .trim()
      if (text !== '') return text
    } catch {
      // a machine has only some of them, and some need root: the next one, then
    }
  }
  return undefined
}

/** What machine this is, for the person who enrols it: model and serial number where it tells them. */
export function hardware(root = '/'): string {
  const model = firstOf([`${root}proc/device-tree/model`, `${root}sys/class/dmi/id/product_name`])
  const serial = firstOf([`${root}proc/device-tree/serial-number`, `${root}sys/class/dmi/id/product_serial`])
  const text = `${model ?? arch()}${serial === undefined ? '' : `, serial ${serial}`}`
  return text.slice(0, 128)
}
