import { readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { type Piece, replaced, sourceUrl } from './piece.ts'

/*
 * Makes a test build of a program in memory, in which one defence is switched off: loaded in each of its
 * threads before anything else. The query of this module's own URL names the file with the pieces. The product
 * knows nothing of this.
 */
const { searchParams } = new URL(import.meta.url)
const pieces = JSON.parse(readFileSync(searchParams.get('pieces')!, 'utf8')) as Piece[]

registerHooks({
  load(url, context, nextLoad) {
    const ours = pieces.filter(({ file }) => sourceUrl(file) === url)
    const loaded = nextLoad(url, context)
    if (ours.length === 0) return loaded
    const source = ours.reduce(replaced, Buffer.from(loaded.source as Uint8Array).toString('utf8'))
    return { ...loaded, source, shortCircuit: true }
  },
})
