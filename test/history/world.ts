import type { Line } from './history.ts'

/** A copy of a row at a server. */
export interface Copy {
  head: string | undefined
  value: string | undefined
}

/** Names a row: no two epochs are alike. */
export const placeOf = ({ gateway, epoch, seq }: { gateway: string; epoch: string; seq: number }): string =>
  `${gateway} ${epoch} ${seq}`

/**
 * What the servers hold, as a history goes on. A fault `backup` with `{ server }` in its detail keeps what that
 * server holds, and a fault `restored` sets it back to the last such backup, or to nothing.
 */
export class World {
  readonly servers = new Map<string, Map<string, Copy[]>>()
  readonly backups = new Map<string, Map<string, Copy[]>>()
  /** Rows that were declared lost after the disk of their gateway was damaged: a fault `corrupted` with `{ gateway }`. */
  readonly excused = new Set<string>()
  private readonly damaged = new Set<string>()

  at(server: string): Map<string, Copy[]> {
    let held = this.servers.get(server)
    if (held === undefined) {
      held = new Map()
      this.servers.set(server, held)
    }
    return held
  }

  /** The copies of a row, at all servers together. */
  copies(place: string): Copy[] {
    return [...this.servers.values()].flatMap(held => held.get(place) ?? [])
  }

  follow(line: Line): void {
    if (line.op === 'stored') {
      const held = this.at(line.server)
      const place = placeOf(line)
      held.set(place, [...(held.get(place) ?? []), { head: line.head, value: line.value }])
    } else if (line.op === 'lost') {
      if (!this.damaged.has(line.gateway)) return
      for (let seq = line.from; seq <= line.to; seq++) this.excused.add(placeOf({ ...line, seq }))
    } else if (line.op === 'fault') {
      const { server, gateway } = (line.detail ?? {}) as { server?: string; gateway?: string }
      if (line.what === 'corrupted' && gateway !== undefined) this.damaged.add(gateway)
      if (server === undefined) return
      if (line.what === 'backup') this.backups.set(server, new Map(this.at(server)))
      if (line.what === 'restored') this.servers.set(server, new Map(this.backups.get(server)))
    }
  }
}

/** The world at the end of a history; `each` sees it after every line. */
export function worldAfter(history: readonly Line[], each?: (line: Line, world: World) => void): World {
  const world = new World()
  for (const line of history) {
    world.follow(line)
    each?.(line, world)
  }
  return world
}
