import { join } from 'node:path'
import type { writeFileAtomic } from '../base/files.ts'

/** Where a gateway keeps its state when nobody says otherwise. */
export const defaultState = '/var/lib/vitalgate'

/** Where a gateway is configured when nobody says otherwise. */
export const defaultConfig = '/etc/vitalgate/vitalgate.toml'

/** The files of a gateway's state folder. `identity`, `route` and `registry` are public, `keys` and `secret` are not. `former` holds a folder per former server (WIRE 9.11), made as this one is. */
export const places = (state: string) => ({
  identity: join(state, 'identity.json'),
  keys: join(state, 'keys.sealed'),
  secret: join(state, 'keyfile.secret'),
  route: join(state, 'route.json'),
  registry: join(state, 'registry.json'),
  devices: join(state, 'devices.toml'),
  settings: join(state, 'settings.toml'),
  outbox: join(state, 'outbox.db'),
  wiping: join(state, 'wiping'),
  moving: join(state, 'moving.json'),
  former: join(state, 'former'),
})

/** How a file is written: whole or not at all. Handed in, so that a test can cut the power between two. */
export type Save = typeof writeFileAtomic

/** Longest path that the kernel takes as the name of a Unix socket, bytes (unix(7): 108 with its NUL). */
export const socketPathLimit = 107

/**
 * Where the control socket may be, the likeliest first: as configured, else in the runtime folder that
 * systemd makes, else in the state folder. The daemon takes the first, a client the first that is there.
 */
export function socketPlaces(
  state: string,
  configured: string | undefined,
  env: NodeJS.ProcessEnv = process.env,
): [string, ...string[]] {
  if (configured !== undefined) return [configured]
  const own = join(state, 'control.sock')
  const runtime = env.RUNTIME_DIRECTORY
  if (runtime !== undefined && runtime !== '') return [join(runtime, 'control.sock'), own]
  return state === defaultState ? [own, '/run/vitalgate/control.sock'] : [own]
}
