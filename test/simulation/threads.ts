import { EventEmitter } from 'node:events'
import { type Owner, schedule } from './schedule.ts'

/*
 * Stands where the program asks for node:worker_threads: the worker runs in this thread, and what is said between
 * the two is copied as there and takes its time by the schedule.
 */

/** What custody and its thread are to each other, and what a test may do to it. */
export interface Thread {
  port: ThreadPort
  data: unknown
  worker: Worker
}

/** Threads that were started, by the number in the address of their module. */
export const threads = new Map<number, Thread>()
let started = 0

/** Milliseconds that a message takes, and that a disk takes for what it is asked. */
const pace = { message: 1, disk: 4 }

/** What a thread hears and says: node's MessagePort, as far as custody's thread uses it. */
export class ThreadPort extends EventEmitter {
  readonly waiting: unknown[] = []
  private turn = false
  private closed = false
  private readonly worker: Worker
  private readonly owner: Owner
  /** Answers that still leave it; then its process is gone. */
  answersLeft = Number.POSITIVE_INFINITY
  /** How long its disk takes at most, milliseconds. */
  diskMs = pace.disk
  /** After each batch: what it wrote can be seen. */
  settled: () => void = () => {}
  /** Its process is gone. */
  killed: () => void = () => {}

  constructor(worker: Worker, owner: Owner) {
    super()
    this.worker = worker
    this.owner = owner
  }

  /** Something is said to the thread. */
  hear(message: unknown): void {
    this.waiting.push(structuredClone(message))
    this.plan()
  }

  private plan(): void {
    if (this.turn || this.closed || this.waiting.length === 0) return
    this.turn = true
    schedule().after(1 + Math.random() * this.diskMs, () => this.take(), this.owner)
  }

  private take(): void {
    this.turn = false
    const first = this.waiting.shift()
    if (first !== undefined && !this.closed) this.emit('message', first)
    this.settled()
    this.plan()
  }

  postMessage(message: unknown): void {
    if (!this.owner.alive) return
    if (this.answersLeft === 0) {
      this.owner.alive = false
      schedule().always(0, () => this.killed())
      return
    }
    this.answersLeft--
    const copy = structuredClone(message)
    schedule().after(pace.message, () => this.worker.emit('message', copy), this.owner)
  }

  close(): void {
    this.closed = true
    const code = process.exitCode === undefined ? 0 : 1
    process.exitCode = undefined
    schedule().after(pace.message, () => this.worker.emit('exit', code), this.owner)
  }
}

/** Node's Worker, as far as custody uses it. */
export class Worker extends EventEmitter {
  private readonly port: ThreadPort

  constructor(file: URL, { workerData }: { workerData: unknown }) {
    super()
    const owner = schedule().owner
    this.port = new ThreadPort(this, owner)
    const number = ++started
    threads.set(number, { port: this.port, data: structuredClone(workerData), worker: this })
    const module = new URL(file)
    module.searchParams.set('thread', String(number))
    Object.assign(owner, { port: this.port })
    schedule().after(pace.message, () => import(module.href), owner, true)
  }

  postMessage(message: unknown): void {
    schedule().after(0, () => this.port.hear(message))
  }
}
