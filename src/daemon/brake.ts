/** What may be on its way to the disk before lines that can wait have to: statements, and the bytes that they carry. */
export const brakeLimits = { statements: 512, bytes: 1_048_576 }

/**
 * Bounds what is on its way to the disk. It refuses nothing: while it is on, whoever can leave bytes where they are
 * does, in the kernel and in the device, until half of it has arrived.
 */
export interface Brake {
  /** Counts a statement with so many bytes until it has arrived, or was refused. */
  follow(bytes: number, way: Promise<unknown>): void
  isOn(): boolean
  /** Calls back each time it goes off, until called off. Whoever was called first is called last the next time. */
  listen(off: () => void): () => void
}

/** Starts with nothing on its way. */
export function makeBrake(limits = brakeLimits): Brake {
  const listeners = new Set<() => void>()
  let statements = 0
  let bytes = 0
  let on = false

  const release = (): void => {
    for (const off of [...listeners]) {
      // it may be on again by what the one before let go
      if (on) return
      if (!listeners.delete(off)) continue
      listeners.add(off)
      off()
    }
  }

  return {
    follow(size, way) {
      statements++
      bytes += size
      if (statements >= limits.statements || bytes >= limits.bytes) on = true
      const arrived = (): void => {
        statements--
        bytes -= size
        if (!on || statements > limits.statements / 2 || bytes > limits.bytes / 2) return
        on = false
        release()
      }
      way.then(arrived, arrived)
    },
    isOn: () => on,
    listen(off) {
      // each listens for itself, even where two hand in the same
      const own = (): void => off()
      listeners.add(own)
      return () => listeners.delete(own)
    },
  }
}
