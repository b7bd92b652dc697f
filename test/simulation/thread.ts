import { type ThreadPort, threads } from './threads.ts'

/*
 * Stands where a thread of the program asks for node:worker_threads: one instance of this module for each, with the
 * number of its thread in the address.
 */
const number = Number(new URL(import.meta.url).searchParams.get('thread'))
const thread = threads.get(number)!
threads.delete(number)

export const parentPort = thread.port
export const workerData = thread.data
export const receiveMessageOnPort = (port: ThreadPort): { message: unknown } | undefined => {
  const message = port.waiting.shift()
  return message === undefined ? undefined : { message }
}
