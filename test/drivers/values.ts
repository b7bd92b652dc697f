import { unhex } from '../../src/base/bytes.ts'
import type { Driver } from '../../src/driver/driver.ts'
import { openSession } from '../../src/driver/session.ts'
import { setUp } from '../../src/driver/setup.ts'

/**
 * Asks a BLE driver what each value of a characteristic means by itself, all in one session: the said, the
 * reason of a silence, or the fault's code.
 */
export const heardValues =
  (driver: Driver) =>
  (values: readonly (readonly [char: string, bytes: string])[], options: object = {}): unknown[] => {
    const session = openSession(setUp(driver, options), 0)
    return values
      .flatMap(([char, bytes], at) => session.hear(unhex(bytes), at, char))
      .map(({ heard }) => {
        if ('silent' in heard) return heard.silent
        return 'fault' in heard ? heard.fault : heard
      })
  }
