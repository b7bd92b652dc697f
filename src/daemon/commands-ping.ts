import type { Clock } from '../base/clock.ts'
import { type Act, done } from './commands.ts'

/** Tells that the gateway is there, and since when. */
export const pingAct = (clock: Clock, startedMono: number): Act<'ping'> => ({
  act: async () => done({ 'uptime-ms': clock.mono() - startedMono }),
})
