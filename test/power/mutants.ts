/** A change of one place of the product's source: the text there, which stands once in its file, and another. */
export interface Patch {
  /** Below src/. */
  file: string
  from: string
  to: string
}

const unsynced = (word: string, level: number): Patch[] => [
  {
    file: 'outbox/schema.ts',
    from: "db.pragma('synchronous = FULL')",
    to: `db.pragma('synchronous = ${word}')`,
  },
  { file: 'outbox/schema.ts', from: 'synchronous !== 2', to: `synchronous !== ${level}` },
]

/** Faults that the suites on power and disks must notice, by name: each is switched on alone, in a program of its own. */
export const mutants: Readonly<Record<string, readonly Patch[]>> = {
  /** No write is ever brought to the disk. */
  'skip-fsync': unsynced('OFF', 0),
  /** What better-sqlite3 does unless told: commits are synced at the next checkpoint. */
  'normal-instead-of-full': unsynced('NORMAL', 1),
  /** Sent is gone: nobody waits for the server's word. */
  'delete-on-puback': [
    {
      file: 'daemon/custody-holder.ts',
      from: 'return due(request.argument)',
      to: `{
          const rows = due(request.argument)
          for (const { id } of rows) outbox.db.prepare('DELETE FROM row WHERE id = ?').run(id)
          return rows
        }`,
    },
  ],
  /** The next number is counted from what is there. */
  'seq-re-used': [
    {
      file: 'outbox/outbox.ts',
      from: 'const seq = epoch.seq + 1',
      to: `const top = db.prepare('SELECT max(seq) AS top FROM row WHERE epoch = ?').get(epoch.id) as { top: number | null }
      const seq = (top.top ?? 0) + 1`,
    },
  ],
  /** It is told before it is on the disk. */
  'acknowledge-before-commit': [
    {
      file: 'daemon/custody-thread.ts',
      from: 'outbox.commit(() => requests.map(attempt))',
      to: `outbox.commit(() => {
        const all = requests.map(attempt)
        say(all)
        return all
      })`,
    },
  ],
}

/** The same for the server, whose receipts are promises too. */
export const serverMutants: Readonly<Record<string, readonly Patch[]>> = {
  'server-normal-instead-of-full': [
    {
      file: 'receiver/store.ts',
      from: "db.pragma('synchronous = FULL')",
      to: "db.pragma('synchronous = NORMAL')",
    },
    { file: 'receiver/store.ts', from: 'const full = 2', to: 'const full = 1' },
  ],
}

/** For key files: a name that is changed before what is in the file lasts, or that does not last itself. */
export const fileMutants: Readonly<Record<string, readonly Patch[]>> = {
  'file-not-synced': [{ file: 'base/files.ts', from: 'fsyncSync(file)\n    } finally', to: '} finally' }],
  'folder-not-synced': [{ file: 'base/files.ts', from: 'syncFolder(dirname(path))', to: '' }],
}

export const allMutants = { ...mutants, ...serverMutants, ...fileMutants }
