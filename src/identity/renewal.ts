import { writeFileAtomic } from '../base/files.ts'
import type { Save } from './places.ts'
import type { Route } from './route.ts'
import { readRoute, saveRoute } from './route-file.ts'

/** The certificates that this gateway may connect with, the one to be tried first ahead (WIRE 7.11). */
export const certificatesOf = ({ certificate, renewed }: Pick<Route, 'certificate' | 'renewed'>): string[] =>
  renewed === undefined ? [certificate] : [renewed.certificate, certificate]

/**
 * Makes the newer certificate the one of the route, after a welcome came over a connection with it; the route as it
 * is then. Nothing where it is not the one that waits.
 */
export function promoteCertificate(
  state: string,
  route: Route,
  certificate: string,
  save: Save = writeFileAtomic,
): Route {
  const file = readRoute(state)
  if (file === undefined || route.renewed?.certificate !== certificate) return route
  const { renewed: _, ...rest } = file
  saveRoute(state, { ...rest, bundle: { ...file.bundle, certificate } }, save)
  return { ...route, ...route.renewed, renewed: undefined }
}
