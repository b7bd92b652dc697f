import { mkdirSync, writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { makeVectors } from './make/all.ts'
import { printVector, vectorFolder } from './vector.ts'

/*
 * Writes test/vectors, or the folder that is named, from fixed seeds: the same run gives the same bytes.
 * Ephemeral keys are fixed in vectors alone; src/wire has no way to do that (WIRE 4.3).
 */
const [named] = process.argv.slice(2)
const folder = named === undefined ? vectorFolder : pathToFileURL(`${named}/`)
mkdirSync(folder, { recursive: true })
for (const vector of makeVectors()) {
  writeFileSync(new URL(`${vector.name}.txt`, folder), printVector(vector))
}
