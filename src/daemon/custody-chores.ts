/** One step of a work that has no hurry; true when it was the last. */
export type Chore = () => boolean

/** Works that are done step by step between the requests, one after the other. */
export interface Chores {
  add(chore: Chore): void
  /** Forgets what is not done yet. */
  drop(): void
}

/** No chores yet; `fail` gets what a step throws, and nothing is done any more. */
export function makeChores(fail: (error: unknown) => void): Chores {
  let open: Chore[] = []
  let planned = false

  const turn = (): void => {
    planned = false
    try {
      if (open[0]?.() === true) open.shift()
    } catch (error) {
      open = []
      fail(error)
    }
    plan()
  }
  // An immediate lets the messages that have come in be heard first
  const plan = (): void => {
    if (!planned && open.length > 0) setImmediate(turn)
    planned = open.length > 0
  }

  return {
    add: chore => {
      open.push(chore)
      plan()
    },
    drop: () => {
      open = []
    },
  }
}
