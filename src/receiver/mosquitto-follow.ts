import { constants } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import { z } from 'zod'
import { codeOf, isFault } from '../base/fault.ts'
import { fileFault, readTextFile, writeFileAtomic } from '../base/files.ts'
import type { Log } from '../base/log.ts'

/** Which file to follow, and whom to tell. */
export interface FollowSettings {
  /** The log. It may be away, be moved and made anew, or be cut to nothing. */
  path: string
  /** Where to keep how far it was read, so that nothing is missed while nobody follows. */
  place: string
  log: Log
  /** Gets each line, without its end. */
  onLine(line: string): void
  /** Gets what onLine throws, and what else is no trouble with the file. */
  fail(error: unknown): void
  /** How often to look, milliseconds. */
  everyMs?: number
}

/** Follows a log until stopped. */
export interface Follower {
  stop(): Promise<void>
}

const chunkBytes = 65_536
/** A turn at most, so that receiving waits only for a moment: with the pause about 2 MiB a second. */
const turnBytes = 16 * chunkBytes
/** What is further behind is passed over, with a warning. */
const behindBytes = 256 * chunkBytes
/** Longer lines are cut: Mosquitto writes at most about 1000 bytes. */
const lineBytes = 4096
const lookMs = 500
/** How often at most the place is kept. */
const keepMs = 10_000

const placeForm = z.strictObject({ inode: z.int().min(0), offset: z.int().min(0) })
type Place = z.infer<typeof placeForm>

/** Cuts chunks into lines. */
function makeLines(onLine: (line: string) => void) {
  let rest = Buffer.alloc(0)
  const take = (bytes: Buffer): void => {
    if (rest.length < lineBytes) rest = Buffer.concat([rest, bytes.subarray(0, lineBytes - rest.length)])
  }
  return {
    push: (chunk: Buffer): void => {
      let from = 0
      for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, from)) {
        take(chunk.subarray(from, end))
        from = end + 1
        const line = rest.toString('utf8')
        rest = Buffer.alloc(0)
        onLine(line)
      }
      take(chunk.subarray(from))
    },
    /** Bytes of a line that is not yet at its end. */
    waiting: (): number => rest.length,
    forget: (): void => {
      rest = Buffer.alloc(0)
    },
  }
}

function readPlace({ place, log }: FollowSettings): Place | undefined {
  try {
    return placeForm.parse(JSON.parse(readTextFile(place)))
  } catch (error) {
    // without it the log is followed from its end, as at the first start
    if (!isFault(error, 'file.missing')) log.warn({ part: 'broker-log', err: error }, 'place is not readable')
    return undefined
  }
}

/**
 * Follows a file as `tail -F` does: by looking, since a log may lie on any file system. It begins where it
 * stopped the last time, or at the end of a file that it never saw. It never ends by itself.
 */
export function followLog(settings: FollowSettings): Follower {
  const { path, place, onLine, everyMs = lookMs } = settings
  const log = settings.log.child({ part: 'broker-log' })
  const lines = makeLines(onLine)
  const buffer = Buffer.alloc(chunkBytes)
  let known = readPlace(settings)
  let first = true
  let file: { handle: FileHandle; inode: number } | undefined
  let offset = 0
  let kept = { at: 0, inode: known?.inode ?? -1, offset: known?.offset ?? -1 }
  let trouble = ''
  let stopped = false
  let timer: NodeJS.Timeout | undefined

  const keep = (now: number): void => {
    // the beginning of a line is read again
    const at = offset - lines.waiting()
    if (file === undefined || (kept.inode === file.inode && kept.offset === at)) return
    kept = { at: now, inode: file.inode, offset: at }
    try {
      writeFileAtomic(place, `${JSON.stringify({ inode: file.inode, offset: at })}\n`, 0o600)
    } catch (error) {
      // at worst lines are read twice, or missed while nobody follows
      log.warn({ err: error }, 'place is not kept')
    }
  }

  async function enter(): Promise<void> {
    // O_NONBLOCK: a named pipe in its place must not hold us up
    const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const found = await handle.stat()
    if (!found.isFile()) {
      await handle.close()
      throw Object.assign(new Error(`${path} is no plain file`), { code: 'ENOTFILE' })
    }
    const { ino: inode, size } = found
    const before = known?.inode === inode && known.offset <= size ? known.offset : undefined
    // a file that was made since then is read from its beginning
    offset = before ?? (first && known === undefined ? size : 0)
    first = false
    known = undefined
    file = { handle, inode }
    lines.forget()
  }

  async function leave(): Promise<void> {
    const left = file
    file = undefined
    await left?.handle.close()
  }

  /** Reads on; whether the end was reached. */
  async function read({ handle }: { handle: FileHandle }): Promise<boolean> {
    const { size } = await handle.stat()
    if (size < offset) {
      offset = 0
      lines.forget()
    }
    if (size - offset > behindBytes) {
      log.warn({ bytes: size - offset - chunkBytes }, 'log grows too fast, passed over')
      offset = size - chunkBytes
      lines.forget()
    }
    for (let turn = 0; turn < turnBytes && !stopped; turn += chunkBytes) {
      const { bytesRead } = await handle.read(buffer, 0, chunkBytes, offset)
      if (bytesRead === 0) return true
      offset += bytesRead
      lines.push(buffer.subarray(0, bytesRead))
    }
    return false
  }

  /** Whether the path leads to another file now, or to none. */
  const isMoved = async (inode: number): Promise<boolean> => {
    try {
      return (await stat(path)).ino !== inode
    } catch {
      return true // what is wrong with it shows when it is opened
    }
  }

  async function look(): Promise<void> {
    if (file === undefined) await enter()
    if (file === undefined) return
    const { inode } = file
    const moved = await isMoved(inode)
    // what was moved away is read to its end first
    if ((await read(file)) && moved) {
      await leave()
      await enter()
    }
    trouble = ''
  }

  async function turn(): Promise<void> {
    try {
      await look()
      const now = Date.now()
      if (now - kept.at >= keepMs) keep(now)
    } catch (error) {
      const code = codeOf(error)
      if (code === undefined || isFault(error)) {
        stopped = true
        settings.fail(error)
        return
      }
      // what is made from now on is new, from its first line
      if (code === 'ENOENT') first = false
      // said once: a broker that was never started has no log
      if (code !== trouble) log.warn({ err: fileFault(path, error) }, 'log is not readable')
      trouble = code
    }
  }

  let running = Promise.resolve()
  const plan = (): void => {
    running = turn().then(() => {
      if (!stopped) timer = setTimeout(plan, everyMs)
    })
  }
  plan()

  return {
    stop: async () => {
      stopped = true
      clearTimeout(timer)
      await running
      keep(Date.now())
      await leave()
    },
  }
}
