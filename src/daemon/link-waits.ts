/** Waits for something to have happened; whoever changes anything says `look`. */
export interface Waits {
  /** Resolves once `happened` gives true; rejects with the reason of the signal. */
  until(happened: () => boolean, within: AbortSignal): Promise<void>
  /** Looks who has waited long enough. */
  look(): void
}

interface Wait {
  happened(): boolean
  resolve(): void
}

/** Nobody waits yet. */
export function makeWaits(): Waits {
  const waits = new Set<Wait>()

  const look = (): void => {
    for (const wait of waits) {
      if (!wait.happened()) continue
      waits.delete(wait)
      wait.resolve()
    }
  }

  return {
    look,
    until: (happened, within) =>
      new Promise((resolve, reject) => {
        const wait = { happened, resolve }
        within.addEventListener('abort', () => {
          waits.delete(wait)
          reject(within.reason)
        })
        if (within.aborted) return reject(within.reason)
        waits.add(wait)
        look()
      }),
  }
}
