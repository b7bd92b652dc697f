import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Log, makeLog } from '../../src/base/log.ts'
import { type Alert, addAlert, type ChannelName } from '../../src/receiver/alerts.ts'
import { type Bench, gateway, morning } from './fixture.ts'

/** A shell script in a folder, as an operator would write one; gives its path. */
export function script(folder: string, name: string, ...lines: string[]): string {
  const path = join(folder, name)
  writeFileSync(path, `#!/bin/sh\n${lines.join('\n')}\n`, { mode: 0o700 })
  return path
}

/** A log whose lines can be waited for, by their words. */
export function heard() {
  const lines: { msg: string; [field: string]: unknown }[] = []
  const waiting: { words: string; count: number; resolve: () => void }[] = []
  const count = (words: string): number => lines.filter(({ msg }) => msg === words).length
  const write = (line: string): void => {
    lines.push(JSON.parse(line))
    for (const one of waiting) if (count(one.words) >= one.count) one.resolve()
  }
  const log: Log = makeLog('info', { write })
  return {
    lines,
    log,
    /** Resolves when these words were logged so often. */
    said: (words: string, times = 1) =>
      new Promise<void>(resolve => {
        if (count(words) >= times) resolve()
        else waiting.push({ words, count: times, resolve })
      }),
  }
}

export const delivered = 'alert delivered'
export const again = 'alert was not delivered, and is tried again'
export const givenUp = 'alert was not delivered, and is given up'

export const gap: Alert = {
  kind: 'flag',
  flag: 'GAP',
  act: 1,
  gateway: gateway.id,
  detail: 'rows 3 to 5',
  at: morning,
}

/** Puts an alert into the queue, as the watch does. */
export const queue = ({ store, clock }: Bench, alert: Partial<Alert> = {}, to: ChannelName[] = ['command']) =>
  store.write(() => addAlert(store, to, { ...gap, ...alert }, clock.at))
