import { checkPrivateFolder } from '../base/files.ts'
import { parseAddress } from '../base/portname.ts'
import { type Drivers, loadDrivers } from '../driver/load.ts'
import { setUp } from '../driver/setup.ts'
import { type Config, readConfig } from '../identity/config.ts'
import { type Device, type DeviceCheck, readDevices } from '../identity/devices.ts'
import { type Identity, loadIdentity } from '../identity/identity.ts'
import { readSettings, withSettings } from '../identity/settings.ts'
import { fits } from './fits.ts'

/** Where the daemon lives. */
export interface Site {
  state: string
  /** A configuration file that must be there; undefined is the usual one, which may be absent. */
  config: string | undefined
}

/** Judges a device by its driver's card: an unknown driver or a wrong option is a Fault. */
export const cardCheck =
  (drivers: Drivers): DeviceCheck =>
  ({ id, driver, port, options }) => {
    const { link } = setUp(drivers.of(driver).driver, options, `options of ${id}`, 'config.invalid')
    fits(parseAddress(port), link, `device ${id}`)
  }

/**
 * Everything that can be wrong before anything is started, in the order in which start-up reads it; each
 * reads its part or throws. The only list of it: start-up and `config check` go through the same one.
 */
export function startList({ state, config }: Site) {
  let loading: Promise<Drivers> | undefined
  const drivers = (): Promise<Drivers> => {
    loading ??= loadDrivers()
    return loading
  }
  return {
    config: (): Config => withSettings(readConfig(config), readSettings(state)),
    folder: (): void => checkPrivateFolder(state),
    drivers,
    devices: async (): Promise<Device[]> => readDevices(state, cardCheck(await drivers())),
    identity: (): Identity => loadIdentity(state),
  }
}

/** What start-up needs, read in the order of the list; the first fault ends it. */
export async function prepare(site: Site): Promise<{
  config: Config
  drivers: Drivers
  devices: Device[]
  identity: Identity
}> {
  const list = startList(site)
  const config = list.config()
  list.folder()
  return { config, drivers: await list.drivers(), devices: await list.devices(), identity: list.identity() }
}
