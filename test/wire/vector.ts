import { readdirSync, readFileSync } from 'node:fs'

/** A vector as WIRE 13 describes it: a name, what its head says, and the bytes. */
export interface Vector {
  name: string
  head: Record<string, string>
  bytes: Uint8Array
}

/** Where the vectors are. */
export const vectorFolder = new URL('../vectors/', import.meta.url)

/** The text of a vector's file. */
export function printVector({ head, bytes }: Vector): string {
  const lines = Object.entries(head).map(([name, value]) => `${name}: ${value}\n`)
  const digits =
    Buffer.from(bytes)
      .toString('hex')
      .match(/.{1,64}/g) ?? []
  return `${lines.join('')}\n${digits.map(line => `${line}\n`).join('')}`
}

/** The vector that a file's text is. */
export function parseVector(name: string, text: string): Vector {
  const cut = text.indexOf('\n\n')
  const lines = text.slice(0, cut).split('\n')
  const head = Object.fromEntries(
    lines.map(line => [line.slice(0, line.indexOf(': ')), line.slice(line.indexOf(': ') + 2)]),
  )
  return { name, head, bytes: Uint8Array.from(Buffer.from(text.slice(cut).replaceAll('\n', ''), 'hex')) }
}

/** Every vector of the folder, by name. */
export const readVectors = (): Vector[] =>
  readdirSync(vectorFolder)
    .filter(file => file.endsWith('.txt'))
    .sort()
    .map(file => parseVector(file.slice(0, -4), readFileSync(new URL(file, vectorFolder), 'utf8')))
