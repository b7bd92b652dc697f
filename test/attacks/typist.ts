import { pathToFileURL } from 'node:url'

/*
 * Types commands of our programs one after the other, in one process that stays: each runs the program's own
 * entry point from its first line, as a new process would, but Node and the modules are loaded once for all.
 * A test that looks at hundreds of answers spends its time on starting Node otherwise.
 */

/** A command line to type. */
export interface Typed {
  entry: string
  words: readonly string[]
}

/** What came of it. */
export interface Ended {
  code: number | null
  out: string
  err: string
}

// each command adds its listeners, as if the process were its own
process.setMaxListeners(0)
process.stdout.setMaxListeners(0)
let count = 0

async function type({ entry, words }: Typed): Promise<Ended> {
  const said = { out: '', err: '' }
  process.stdout.write = (text: string | Uint8Array): boolean => {
    said.out += text
    return true
  }
  process.stderr.write = (text: string | Uint8Array): boolean => {
    said.err += text
    return true
  }
  process.argv.splice(1, process.argv.length, entry, ...words)
  process.exitCode = undefined
  // another address each time: the entry point runs again, all that it imports is there
  await import(`${pathToFileURL(entry).href}?${++count}`)
  return { code: Number(process.exitCode ?? 0), ...said }
}

process.on('message', (typed: Typed) => {
  type(typed).then(
    ended => process.send!(ended),
    (error: unknown) => process.send!({ code: null, out: '', err: String(error) } satisfies Ended),
  )
})
process.on('disconnect', () => process.exit(0))
