import { execFileSync } from 'node:child_process'

/** What a program did to a folder, in order: names are paths as it used them, `at` is bytes. */
export type Call =
  | { call: 'make'; path: string }
  | { call: 'folder'; path: string }
  | { call: 'write'; path: string; at: number; bytes: Buffer }
  | { call: 'cut'; path: string; size: number }
  | { call: 'sync'; path: string }
  | { call: 'remove'; path: string }
  | { call: 'rename'; path: string; to: string }
  | { call: 'link'; path: string; to: string }
  /** What it told, when it began to tell it. */
  | { call: 'tell'; text: string }

const names = [
  ...['openat', 'write', 'writev', 'pwrite64', 'pwritev', 'pwritev2', 'ftruncate', 'truncate', 'fallocate'],
  ...['fsync', 'fdatasync', 'sync_file_range', 'syncfs', 'unlink', 'unlinkat', 'rename', 'renameat'],
  ...['renameat2', 'mkdir', 'mkdirat', 'rmdir', 'link', 'linkat', 'symlink', 'symlinkat', 'copy_file_range'],
]

/** Whole pages come in one call; what is longer is the ballast. */
const longest = 70_000

/** Files whose content nobody reads: space that is kept to be given up. */
const isIdle = (path: string): boolean => path.endsWith('.ballast')

/** The words before a program that have strace write all that it does to files into `out`. */
export const recorded = (out: string): string[] => [
  ...['strace', '-f', '-qq', '-y', '-xx', '--seccomp-bpf', '-s', String(longest), '-o', out],
  ...['-e', `trace=${names.join()}`, '-e', 'signal=none'],
]

/** Why nothing can be traced here; undefined where it can. */
export function whyNoTrace(): string | undefined {
  try {
    execFileSync('strace', ['-qq', '-f', '--seccomp-bpf', '-o', '/dev/null', 'true'], { stdio: 'pipe' })
    return undefined
  } catch (error) {
    const missing = (error as { code?: unknown }).code === 'ENOENT'
    return missing ? 'strace is not installed' : 'strace may not trace here'
  }
}

const raw = (text: string): Buffer => {
  if (/^(?:\\x[0-9a-f]{2})*$/.test(text)) return Buffer.from(text.replaceAll('\\x', ''), 'hex')
  return Buffer.from(text, 'latin1')
}
const readable = (text: string): string => raw(text).toString()

/** One line, its call whole: an unfinished one is joined with its rest by `joined`. */
const lineForm = /^(\d+) +(\w+)\((.*)\) += (-?\d+|\?)(.*)$/

/**
 * Puts the two halves of a call together that another thread interrupted. A sync counts from its end; all else
 * from its beginning, where it may have happened already.
 */
function* joined(text: string): Generator<string> {
  const open = new Map<string, { begun: string; place: number }>()
  const lines: (string | undefined)[] = []
  for (const line of text.split('\n')) {
    const unfinished = /^(\d+) +(.*) <unfinished \.\.\.>$/.exec(line)
    const resumed = /^(\d+) +<\.\.\. (\w+) resumed>(.*)$/.exec(line)
    if (unfinished !== null) {
      open.set(unfinished[1]!, { begun: line.replace(/ *<unfinished \.\.\.>$/, ''), place: lines.length })
      lines.push(undefined)
    } else if (resumed !== null) {
      const half = open.get(resumed[1]!)
      open.delete(resumed[1]!)
      if (half === undefined) continue
      const whole = `${half.begun}${resumed[3]!}`
      if (resumed[2]!.includes('sync')) lines.push(whole)
      else lines[half.place] = whole
    } else {
      lines.push(line)
    }
  }
  for (const line of lines) if (line !== undefined) yield line
}

/** What a record tells of the files below `root`, and of what was told in the file `tellFile`. */
export function callsIn(text: string, root: string, tellFile: string): Call[] {
  const calls: Call[] = []
  const positions = new Map<string, number>()
  const known = new Set<string>()

  const content = (quoted: string, length: number): Buffer => {
    const found = /^"([^"]*)"(\.\.\.)?/.exec(quoted)
    if (found === null) throw new Error(`a write without bytes: ${quoted.slice(0, 80)}`)
    const bytes = raw(found[1]!)
    if (bytes.length !== length) throw new Error(`a write of ${length} bytes was recorded in part`)
    return bytes
  }
  const open = (line: string, rest: string): void => {
    const [, path = ''] = /^AT_FDCWD(?:<[^>]*>)?, "([^"]*)"/.exec(line) ?? []
    const name = readable(path)
    const [, end = ''] = /^<([^>]*)>/.exec(rest) ?? []
    if (isIdle(name) || (!name.startsWith(root) && !readable(end).startsWith(root))) return
    const flags = line.slice(line.lastIndexOf('"'))
    if (flags.includes('O_CREAT') && !known.has(name)) {
      known.add(name)
      calls.push({ call: 'make', path: name })
    }
    if (flags.includes('O_TRUNC')) calls.push({ call: 'cut', path: name, size: 0 })
  }

  for (const line of joined(text)) {
    const found = lineForm.exec(line)
    if (found === null) continue
    const [, , name = '', words = '', result = '', rest = ''] = found
    if (result.startsWith('-') || result === '?') continue
    if (name === 'openat') {
      open(words, rest)
      positions.set(result, 0)
      continue
    }
    const [, handle = '', where = ''] = /^(\d+)<([^>]*)>/.exec(words) ?? []
    const path = readable(where)
    const [, first = '', second = ''] =
      /^(?:AT_FDCWD(?:<[^>]*>)?, )?"([^"]*)"(?:, (?:AT_FDCWD(?:<[^>]*>)?, )?"([^"]*)")?/.exec(words) ?? []
    if (path === tellFile && name === 'write') {
      calls.push({ call: 'tell', text: content(words.slice(words.indexOf('"')), Number(result)).toString() })
      continue
    }
    const touched = handle === '' ? readable(first) : path
    if (isIdle(touched)) continue
    if (!touched.startsWith(root) || touched.endsWith(' (deleted)')) continue
    if (name === 'write' || name === 'pwrite64') {
      const bytes = content(words.slice(words.indexOf('"')), Number(result))
      const at = name === 'write' ? (positions.get(handle) ?? 0) : Number(/, (\d+)$/.exec(words)![1])
      if (name === 'write') positions.set(handle, at + bytes.length)
      calls.push({ call: 'write', path, at, bytes })
    } else if (name === 'ftruncate') {
      calls.push({ call: 'cut', path, size: Number(/, (\d+)$/.exec(words)![1]) })
    } else if (name === 'fsync' || name === 'fdatasync') {
      calls.push({ call: 'sync', path })
    } else if (name === 'unlink' || name === 'unlinkat') {
      known.delete(touched)
      calls.push({ call: 'remove', path: touched })
    } else if (name === 'mkdir' || name === 'mkdirat') {
      calls.push({ call: 'folder', path: touched })
    } else if (name === 'link' || name === 'linkat') {
      known.add(readable(second))
      calls.push({ call: 'link', path: touched, to: readable(second) })
    } else if (name.startsWith('rename')) {
      const to = readable(second)
      known.delete(touched)
      known.add(to)
      calls.push({ call: 'rename', path: touched, to })
    } else {
      // nothing that reaches the disk may pass unseen
      throw new Error(`${name} of ${touched} is not understood`)
    }
  }
  return calls
}
