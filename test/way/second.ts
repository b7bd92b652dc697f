import { copyFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../../scripts/scenario/forwarder.ts'
import { paths } from '../../src/receiver/state.ts'
import { openStore } from '../../src/receiver/store.ts'
import { startProgram } from './program.ts'
import { typeReceiver, type WaySite } from './site.ts'

/** A second server of a site, as far as commands and tallies need it. */
export interface Second extends WaySite {
  /** Ends it alone: the site goes on. */
  end(): Promise<void>
}

/** A second server under the first one's root, on a broker of its own. */
export async function openSecond(site: WaySite): Promise<Second> {
  const receiver = join(site.folder, 'second')
  mkdirSync(receiver, { mode: 0o700 })
  const [from, to] = [paths(site.receiver), paths(receiver)]
  for (const root of ['root', 'successor'] as const) copyFileSync(from[root], to[root])
  const brokerPort = await freePort()
  const passphrase = ['--passphrase-file', join(site.folder, 'passphrase')]
  const typed = { ...site, receiver, brokerPort }
  await typeReceiver(typed, 'init', '--host', 'localhost', '--port', String(brokerPort), ...passphrase)
  const store = openStore(to.database)
  const words = ['--state', receiver, 'run']
  const receiverProgram = startProgram('vitalgate-receiver', words, join(site.folder, 'second.log'))
  const end = async (): Promise<void> => {
    await receiverProgram.end('SIGKILL')
    store.close()
  }
  return { ...typed, store, receiverProgram, crashes: receiverProgram.crashes, end }
}
