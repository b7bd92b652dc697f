import { rm, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { openPty, type Pty } from '../fakes/pty.ts'
import type { FastTime } from './time.ts'

/** One frame and how many simulated milliseconds after the one before it is sent. */
export interface Sent {
  afterMs: number
  text: string
  /** Waited for after it was sent: somebody stays on the scale until it was asked often enough. */
  until?: () => boolean
}

/** A serial device that measures: what it sends for its n-th measurement, and by what key that is known. */
export interface SerialModel {
  driver: string
  measure(n: number): { key: string; frames: Sent[] }
  /** What it answers to a question just now, for one that is asked. */
  answer?(): string
}

/** A pseudo terminal behind a name that stays when it is unplugged and plugged in again. */
export interface Plug {
  port: string
  plug(): Promise<void>
  unplug(): Promise<void>
  write(text: string): void
}

/** Makes the name; nothing is plugged in yet. `answer` is asked for each question of `ask` bytes. */
export function plugAt(folder: string, id: string, answer: (() => string) | undefined, ask: number): Plug {
  const port = join(folder, id)
  let pty: Pty | undefined
  const serve = async (one: Pty): Promise<void> => {
    while (answer !== undefined && pty === one) {
      await one.read(ask)
      if (pty === one) one.write(answer())
    }
  }
  return {
    port,
    async plug() {
      const one = await openPty()
      pty = one
      await symlink(one.path, port)
      void serve(one)
    },
    async unplug() {
      await rm(port, { force: true })
      pty?.kill()
      pty = undefined
    },
    write: text => pty?.write(text),
  }
}

/** How long somebody waits on a scale at most, simulated milliseconds. */
const patienceMs = 600_000

/** Sends frames at their times until one is reached that shall not be sent any more. */
export async function send(
  plug: Plug,
  frames: readonly Sent[],
  until: number,
  time: FastTime,
): Promise<void> {
  for (const { afterMs, text, until: met } of frames.slice(0, until)) {
    await time.pass(afterMs)
    plug.write(text)
    const giveUp = time.clock.mono() + patienceMs
    while (met !== undefined && !met() && time.clock.mono() < giveUp) await time.pass(250)
  }
}
