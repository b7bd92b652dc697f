import { bytesOf } from '../../src/base/bytes.ts'
import { loadDrivers } from '../../src/driver/load.ts'
import { openSession } from '../../src/driver/session.ts'
import { setUp } from '../../src/driver/setup.ts'

/** Asks an installed driver what each frame of some bytes means by itself: the said, the reason of a silence, or the fault's code. */
export async function heardBy(id: string) {
  const { driver } = (await loadDrivers()).of(id)
  return (bytes: string | Uint8Array, options: object = {}): unknown[] => {
    const session = openSession(setUp(driver, options), 0)
    const chunk = typeof bytes === 'string' ? bytesOf(bytes) : bytes
    return [...session.hear(chunk, 0), ...session.end(0)].map(({ heard }) => {
      if ('silent' in heard) return heard.silent
      return 'fault' in heard ? heard.fault : heard
    })
  }
}
