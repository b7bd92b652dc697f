import { z } from 'zod'
import { checked } from '../base/check.ts'
import { Fault } from '../base/fault.ts'
import { isThere, readTextFile, writeFileAtomic } from '../base/files.ts'
import { pem } from '../wire/members.ts'
import { type Bundle, bundleForm } from '../wire/registry.ts'
import { places, type Save } from './places.ts'

/**
 * route.json: public. The bundle as it was accepted and kept up to date, a newer certificate that has yet to prove
 * itself, and what the bundle is once the key file holds the keys that it names (WIRE 7.11, 9.9).
 */
const routeForm = z.strictObject({
  route: z.literal(1),
  bundle: bundleForm,
  renewed: pem.optional(),
  next: bundleForm.optional(),
})
export interface RouteFile {
  bundle: Bundle
  renewed?: string | undefined
  next?: Bundle | undefined
}

/** What an accepted public file holds; a fault of this code where it does not fit. */
export function readForm<T>(schema: z.ZodType<T>, path: string, code: 'key.invalid' | 'route.refused'): T {
  let value: unknown
  try {
    value = JSON.parse(readTextFile(path))
  } catch (cause) {
    if (cause instanceof Fault) throw cause
    throw new Fault(code, `${path} is not JSON`, { hint: 'restore it from a backup', cause })
  }
  return checked(schema, value, path, code)
}

/** What route.json holds, or undefined before a bundle was accepted; unverified. */
export function readRoute(state: string): RouteFile | undefined {
  const path = places(state).route
  if (!isThere(path)) return undefined
  const { route: _, ...file } = readForm(routeForm, path, 'route.refused')
  return file
}

/** Writes route.json. */
export const saveRoute = (state: string, file: RouteFile, save: Save = writeFileAtomic): void =>
  save(places(state).route, `${JSON.stringify({ route: 1, ...file }, null, 2)}\n`)

/** The bundle that was accepted last, or undefined before that; unverified. */
export const readRouteFile = (state: string): Bundle | undefined => readRoute(state)?.bundle

/** Writes route.json with nothing beside the bundle. */
export const saveRouteFile = (state: string, bundle: Bundle, save?: Save): void =>
  saveRoute(state, { bundle }, save)
