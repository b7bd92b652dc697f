import { readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { fileURLToPath } from 'node:url'
import { allMutants, type Patch } from './mutants.ts'

// Loaded before a program (`node --import`): the program runs with one mutant of the product, which is only ever in memory.
const name = process.env.VITALGATE_MUTANT ?? ''
const mutant = (allMutants as Readonly<Record<string, readonly Patch[]>>)[name]
if (mutant === undefined) throw new Error(`no mutant is called ${name}`)

registerHooks({
  load(url, context, nextLoad) {
    const ours = mutant.filter(({ file }) => url.endsWith(`/src/${file}`))
    if (ours.length === 0) return nextLoad(url, context)
    let source = readFileSync(fileURLToPath(url), 'utf8')
    for (const { from, to } of ours) {
      if (source.split(from).length !== 2) throw new Error(`${url} does not hold once: ${from}`)
      source = source.replace(from, () => to)
    }
    return { format: 'module-typescript', source, shortCircuit: true }
  },
})
