import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Fault } from '../../src/base/fault.ts'
import type { Stage } from './stage.ts'

/** A part of the bench that runs as a process of its own, so that it has a core of its own. */
export interface Part {
  pid: number
  /** Says something to it and gives its answer. */
  ask(words: unknown): Promise<unknown>
  stop(): Promise<void>
}

/** Starts a module beside this one, tells it its order, and waits for its first word. */
export async function startPart(stage: Stage, module: string, order: object): Promise<Part> {
  const child = fork(fileURLToPath(new URL(module, import.meta.url)))
  let stopping = false
  const gone = Promise.withResolvers<never>()
  // nobody may be waiting for a word just then
  gone.promise.catch(() => undefined)
  child.once('exit', code => {
    if (stopping) return
    const why = `${module} ended with ${code}; what it said stands above`
    const hint = `port ${stage.site.brokerPort} may be taken by another program: run the bench again`
    gone.reject(new Fault('server.unreachable', why, { hint }))
    stage.died(why)
  })
  const part: Part = {
    pid: child.pid!,
    async ask(words) {
      const answer = once(child, 'message')
      child.send(words as object)
      return ((await Promise.race([answer, gone.promise])) as unknown[])[0]
    },
    async stop() {
      stopping = true
      if (child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, 'exit')
      child.disconnect()
      await ended
    },
  }
  await part.ask(order)
  return part
}
