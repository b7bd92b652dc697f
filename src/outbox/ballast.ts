import { randomBytes } from 'node:crypto'
import { closeSync, fsyncSync, openSync, rmSync, statfsSync, statSync, writeSync } from 'node:fs'
import { codeOf } from '../base/fault.ts'

/**
 * Space that is kept so that it can be given up: on a full disk SQLite cannot even delete, because deleting
 * writes to the journal first.
 */
export interface Ballast {
  /** Gives the space to the disk. */
  drop(): void
  /** Takes it again where the disk has room for that and as much more. */
  take(): void
}

/** Ballast of so many bytes in this file. */
export function ballastOf(path: string, bytes: number): Ballast {
  const isThere = (): boolean => statSync(path, { throwIfNoEntry: false })?.size === bytes
  const drop = (): void => rmSync(path, { force: true })
  return {
    drop,
    take: () => {
      if (isThere()) return
      drop()
      try {
        const folder = statfsSync(path.slice(0, path.lastIndexOf('/') + 1) || '.')
        if (folder.bavail * folder.bsize < 2 * bytes) return
        const file = openSync(path, 'w', 0o600)
        try {
          // Random, so that no file system stores it smaller than it is
          writeSync(file, randomBytes(bytes))
          fsyncSync(file)
        } finally {
          closeSync(file)
        }
      } catch (error) {
        drop()
        if (codeOf(error) !== 'ENOSPC' && codeOf(error) !== 'EDQUOT') throw error
      }
    },
  }
}
