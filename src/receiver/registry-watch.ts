import { Worker } from 'node:worker_threads'
import type { Clock } from '../base/clock.ts'
import { threadEnv } from '../base/compiled.ts'
import type { Log } from '../base/log.ts'
import { addAlert } from './alerts.ts'
import { openChannelsOf, unlessBusy } from './alerts-queue.ts'
import { holdsHead, keepHead, type SeenHead } from './registry-head.ts'
import { lastLogged } from './registry-log.ts'
import type { Walk, Walked } from './registry-thread.ts'
import { isSetBack, type RegistryProblem } from './registry-verify.ts'
import type { Store } from './store.ts'
import { raise } from './suspicion.ts'

/** What looking after the registry needs. */
export interface RegistryWatching {
  state: string
  store: Store
  clock: Clock
  log: Log
  /** Gets what is no damage of the registry: what the database throws, and bugs. */
  fail: (error: unknown) => void
  paces?: Partial<typeof usual>
  /** Told after each walk: how many problems it found; undefined where it did not come to an end. */
  walked?: (problems: number | undefined) => void
}

/**
 * How long after the start to walk first, how often then, how often to look for changes, how long to rest after a
 * walk before another is made for a change, and how long a walk may take.
 */
const usual = { firstMs: 1000, walkMs: 3_600_000, lookMs: 5000, restMs: 60_000, budgetMs: 600_000 }

/** Problems of one walk that are told one by one. */
const toldAtOnce = 5

/** The registry is looked after until it is stopped; `stop` ends the walk that is under way. */
export interface RegistryWatch {
  stop(): Promise<void>
}

/**
 * Walks the registry's log, heads and rows as `registry verify` does: at the start, every hour, and when something
 * was entered. A thread of its own walks, so receiving never waits for it. What is wrong is told once: a registry
 * that was set back as the flag REGISTRY_ROLLBACK, anything else as the alert `store-damaged`; and in the log.
 */
export function watchRegistry(watching: RegistryWatching): RegistryWatch {
  const { state, store, clock, fail } = watching
  const log = watching.log.child({ part: 'registry' })
  const paces = { ...usual, ...watching.paces }
  /** Where the log ended when it was last looked at: it must hold this for ever. */
  let saw: SeenHead | undefined
  let walking: { over: Promise<void>; end: Int32Array } | undefined
  let endedAt = Number.NEGATIVE_INFINITY
  let isDue = false
  let stopped = false

  /** A problem in words that are the same each time it is found. */
  const wordsOf = ({ place, problem }: RegistryProblem): string => `${place}: ${problem}`

  function tellSetBack(problem: RegistryProblem): void {
    const [detail, at] = [wordsOf(problem), clock.now()]
    const told = store.get(
      `SELECT 1 FROM flag_acts
       WHERE act = 'raised' AND flag = 'REGISTRY_ROLLBACK' AND gateway IS NULL AND detail = ? LIMIT 1`,
      detail,
    )
    if (told === undefined) raise(store, { flag: 'REGISTRY_ROLLBACK', gateway: null, detail, at })
  }

  function tellDamage(words: string): void {
    const [detail, at] = [`${words}; type: vitalgate-receiver registry verify`, clock.now()]
    const told = store.get("SELECT 1 FROM alerts WHERE kind = 'store-damaged' AND detail = ? LIMIT 1", detail)
    if (told !== undefined) return
    addAlert(store, openChannelsOf(store), { kind: 'store-damaged', gateway: null, detail, at }, at)
  }

  /** False while another process holds the database. */
  function tell(problems: readonly RegistryProblem[]): boolean {
    const done = unlessBusy(() =>
      store.write(() => {
        for (const problem of problems.filter(isSetBack).slice(0, toldAtOnce)) tellSetBack(problem)
        const others = problems.filter(one => !isSetBack(one))
        for (const problem of others.slice(0, toldAtOnce)) tellDamage(wordsOf(problem))
        return true
      }),
    )
    return done === true
  }

  const known = new Set<string>()
  function ended(walked: Walked): void {
    if ('ended' in walked) return
    if ('fault' in walked) {
      log.error({ reason: walked.fault }, 'registry could not be walked')
      isDue = !tell([{ place: 'the registry', problem: walked.fault }])
      return
    }
    const { problems, head } = walked.found
    for (const problem of problems) {
      const words = wordsOf(problem)
      if (known.has(words)) continue
      known.add(words)
      log.error({ reason: words }, 'registry is damaged')
    }
    if (problems.length > 0) isDue = !tell(problems)
    else if (head !== null) keepHead(state, store.db, head)
  }

  /** One walk at a time; where one is under way, another follows. */
  function walk(): void {
    if (stopped) return
    if (walking !== undefined) {
      isDue = true
      return
    }
    isDue = false
    const end = new Int32Array(new SharedArrayBuffer(4))
    const work: Walk = { state, saw: saw ?? null, end }
    const worker = new Worker(new URL('./registry-thread.ts', import.meta.url), {
      env: threadEnv(),
      name: 'registry',
      workerData: work,
    })
    const over = Promise.withResolvers<void>()
    walking = { over: over.promise, end }
    let problems: number | undefined
    const late = setTimeout(() => {
      log.warn({ reason: 'no time is left' }, 'registry could not be walked')
      Atomics.store(end, 0, 1)
    }, paces.budgetMs).unref()
    worker.on('message', (walked: Walked) => {
      try {
        if (stopped) return
        problems = 'found' in walked ? walked.found.problems.length : undefined
        ended(walked)
      } catch (error) {
        fail(error)
      }
    })
    worker.on('error', fail)
    worker.on('exit', () => {
      clearTimeout(late)
      walking = undefined
      endedAt = clock.mono()
      over.resolve()
      watching.walked?.(problems)
    })
  }

  /** Whether the log has grown, or does not hold any more what it held. */
  function look(): void {
    try {
      const last = lastLogged(store.db)
      const isLess = saw !== undefined && !holdsHead(store.db, saw)
      const isChanged = last?.head !== looked
      looked = last?.head
      if (isChanged) isDue = true
      const isRested = clock.mono() - endedAt >= paces.restMs
      if ((isLess && isChanged) || (isDue && isRested)) walk()
      // what was set back is compared with what was seen before until the receiver ends
      if (!isLess && last !== undefined) saw = { number: last.number, head: last.head }
    } catch (error) {
      fail(error)
    }
  }

  const last = lastLogged(store.db)
  if (last !== undefined) saw = { number: last.number, head: last.head }
  let looked = last?.head
  const first = setTimeout(walk, paces.firstMs).unref()
  const hourly = setInterval(walk, paces.walkMs).unref()
  const looking = setInterval(look, paces.lookMs).unref()
  return {
    stop: async () => {
      stopped = true
      clearTimeout(first)
      clearInterval(hourly)
      clearInterval(looking)
      if (walking === undefined) return
      Atomics.store(walking.end, 0, 1)
      await walking.over
    },
  }
}
