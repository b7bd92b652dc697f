import type { z } from 'zod'
import { Fault, type FaultCode } from './fault.ts'
import { plainWord } from './plain.ts'

/** One thing wrong with data from outside: where, and what. */
export interface Problem {
  path: string
  problem: string
}

/** Where in the data: `device[2].port`; `(whole)` for the data itself. A name from outside may not begin a line. */
function pathOf(path: readonly PropertyKey[]): string {
  let text = ''
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`
    else text += text === '' ? String(step) : `.${String(step)}`
  }
  return text === '' ? '(whole)' : plainWord(text)
}

/** How many single edits make one word of the other (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const swap = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(swap, row[j]! + 1, next[j - 1]! + 1))
    }
    row = next
  }
  return row[b.length]!
}

/** The known word nearest to the one that was typed, if one is near. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  let best: string | undefined
  let least = Math.max(2, Math.floor(word.length / 3)) + 1
  for (const candidate of known) {
    const edits = distance(word.toLowerCase(), candidate.toLowerCase())
    if (edits < least) {
      least = edits
      best = candidate
    }
  }
  return best
}

/** The member names that a schema knows at a path, as far as zod tells. */
function knownAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  let at: unknown = schema
  for (const step of path) {
    const def = (at as { def?: { shape?: Record<string, unknown>; element?: unknown; innerType?: unknown } })
      .def
    const inner = (def?.innerType as { def?: typeof def } | undefined)?.def ?? def
    at = typeof step === 'number' ? inner?.element : inner?.shape?.[String(step)]
    if (at === undefined) return []
  }
  const def = (at as { def?: { shape?: object; innerType?: { def?: { shape?: object } } } }).def
  return Object.keys(def?.shape ?? def?.innerType?.def?.shape ?? {})
}

const nouns: Record<string, string> = {
  string: 'a text in quotes',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a table of names',
  record: 'a table of names',
}

/** What is wrong in one place, in plain words where zod has its own. */
function wordsOf(issue: z.core.$ZodIssue, value: unknown): string {
  if (issue.code === 'invalid_type' && issue.message.startsWith('Invalid input')) {
    return value === undefined ? 'is missing' : `must be ${nouns[issue.expected] ?? issue.expected}`
  }
  if (issue.code === 'invalid_value' && issue.message.startsWith('Invalid option')) {
    return value === undefined ? 'is missing' : `must be one of ${issue.values.map(String).join(', ')}`
  }
  return plainWord(issue.message)
}

/** What the value has at a path; undefined where it has nothing. */
const valueAt = (value: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>((at, step) => (at as Record<PropertyKey, unknown> | null | undefined)?.[step], value)

/** Everything that is wrong with `value`, in the words of a person; empty when it fits the schema. */
export function problems(schema: z.ZodType, value: unknown): Problem[] {
  const result = schema.safeParse(value)
  if (result.success) return []
  return result.error.issues.flatMap(issue => {
    if (issue.code !== 'unrecognized_keys') {
      return [{ path: pathOf(issue.path), problem: wordsOf(issue, valueAt(value, issue.path)) }]
    }
    const known = knownAt(schema, issue.path)
    return issue.keys.map(key => {
      const near = nearest(key, known)
      return {
        path: pathOf([...issue.path, key]),
        problem: near === undefined ? 'unknown name' : `unknown name (did you mean ${near}?)`,
      }
    })
  })
}

/**
 * `value` as the schema describes it. Otherwise one fault that lists every problem, each as
 * `path: problem`. For text that people write: the problems may quote what was found.
 */
export function checked<T>(schema: z.ZodType<T>, value: unknown, what: string, code: FaultCode): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const found = problems(schema, value)
  const lines = found.map(one => `  ${one.path}: ${one.problem}`)
  const count = found.length === 1 ? '1 problem' : `${found.length} problems`
  throw new Fault(code, `${what} has ${count}\n${lines.join('\n')}`)
}
