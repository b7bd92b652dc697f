import { type Act, done } from './commands.ts'
import type { Stations } from './stations.ts'

/** Devices that one result tells of by name: it holds 16 members (WIRE 1.5). */
const toldLimit = 12

/** Tells which devices there are and how each stands; those that are not open first, for they need somebody. */
export const devicesAct = (stations: Pick<Stations, 'states'>): Act<'devices'> => ({
  async act() {
    const all = stations.states()
    const isOpen = ({ state }: (typeof all)[number]): boolean => state === 'open'
    const told = [...all.filter(one => !isOpen(one)), ...all.filter(isOpen)].slice(0, toldLimit)
    const named = told.map(({ id, state }, at): [string, string] => [`device-${at + 1}`, `${id} ${state}`])
    return done({ devices: all.length, open: all.filter(isOpen).length, ...Object.fromEntries(named) })
  },
})
