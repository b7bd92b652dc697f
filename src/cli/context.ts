import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { type Client, connectControl } from '../control/client.ts'
import { readConfig } from '../identity/config.ts'
import { defaultState, socketPlaces } from '../identity/places.ts'

/** What a command line says beside the command itself. */
export interface Context {
  json: boolean
  state: string
  /** The configuration file that was named; undefined is the usual one. */
  config: string | undefined
}

/** What the global options of this command line say. */
export function contextOf(command: Command): Context {
  const given = command.optsWithGlobals<{ json?: true; state?: string; config?: string }>()
  return { json: given.json === true, state: given.state ?? defaultState, config: given.config }
}

/** Reaches the daemon of this state folder. Fault `config.invalid` where the configuration is broken. */
export const daemonOf = ({ state, config }: Context): Client =>
  connectControl(socketPlaces(state, readConfig(config).controlSocket))

/** Version of the program, as package.json says. */
export const software = (): string =>
  (JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string })
    .version
