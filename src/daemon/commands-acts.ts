import type { EventDetail } from '../wire/chained.ts'
import type { Abandoning } from './abandon.ts'
import type { Captures } from './captures.ts'
import type { Acts } from './commands.ts'
import { done } from './commands.ts'
import { abandonAct } from './commands-abandon.ts'
import { captureStartAct, captureStopAct } from './commands-capture.ts'
import { configSetAct } from './commands-config-set.ts'
import { devicesAct } from './commands-devices.ts'
import { identifyAct } from './commands-identify.ts'
import { pingAct } from './commands-ping.ts'
import { rotateAct } from './commands-rotate.ts'
import { type StatusParts, statusAct } from './commands-status.ts'
import { type WipeParts, wipeAct } from './commands-wipe.ts'
import type { LiveSettings } from './settings.ts'
import type { Stations } from './stations.ts'

/** What the acts of commands reach for. */
export interface ActsParts extends StatusParts, WipeParts {
  startedMono: number
  stations: Pick<Stations, 'states' | 'signal'>
  settings: Pick<LiveSettings, 'set'>
  captures: Captures
  /** Takes a part of a capture, sealed and chained as everything. */
  takePart(detail: EventDetail<'capture-part'>): Promise<unknown>
  /** Proposes new keys (WIRE 9.9). */
  rotate: Parameters<typeof rotateAct>[0]
  abandoning: Pick<Abandoning, 'give' | 'waiting'>
}

/** What this gateway does at the word of its server (WIRE 7.12): the only list of it. */
export const actsOf = (parts: ActsParts): Acts => ({
  ping: pingAct(parts.clock, parts.startedMono),
  status: statusAct(parts),
  devices: devicesAct(parts.stations),
  identify: identifyAct(parts, parts.stations),
  restart: { act: async () => done(), follow: async () => parts.leave(false) },
  'config-set': configSetAct(parts.settings),
  'capture-start': captureStartAct(parts.captures),
  'capture-stop': captureStopAct(parts.captures, parts.takePart),
  rotate: rotateAct(parts.rotate),
  wipe: wipeAct(parts),
  abandon: abandonAct(parts.abandoning),
})
