import { bytesOf } from '../../src/base/bytes.ts'
import { loadDrivers } from '../../src/driver/load.ts'
import { type Outcome, openSession } from '../../src/driver/session.ts'
import { setUp } from '../../src/driver/setup.ts'

/** What a frame means by itself, in a word or as it is said. */
const meaningOf = ({ heard }: Outcome): unknown => {
  if ('silent' in heard) return heard.silent
  return 'fault' in heard ? heard.fault : heard
}

/** Lets an installed driver ask, and gives it one answer to each question; what every answer means. */
export async function answeredBy(id: string) {
  const { driver } = (await loadDrivers()).of(id)
  return (answers: readonly string[], options: object = {}): unknown[] => {
    const session = openSession(setUp(driver, options), 0)
    let now = 0
    const outcomes = answers.flatMap(answer => {
      now = session.due() ?? now
      session.rest(now)
      return session.hear(Buffer.from(answer, 'latin1'), now)
    })
    return [...outcomes, ...session.end(now)].map(meaningOf)
  }
}

/** Asks an installed driver what each frame of some bytes means by itself: the said, the reason of a silence, or the fault's code. */
export async function heardBy(id: string) {
  const { driver } = (await loadDrivers()).of(id)
  return (bytes: string | Uint8Array, options: object = {}): unknown[] => {
    const session = openSession(setUp(driver, options), 0)
    const chunk = typeof bytes === 'string' ? bytesOf(bytes) : bytes
    return [...session.hear(chunk, 0), ...session.end(0)].map(meaningOf)
  }
}
