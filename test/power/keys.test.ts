import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, jest } from '@jest/globals'
import { isFault } from '../../src/base/fault.ts'
import { loadIdentity } from '../../src/identity/identity.ts'
import type { Request } from '../../src/wire/registry.ts'
import { goal } from '../history/goals.ts'
import { bodyOf, named } from '../identity/turning.ts'
import { isRelease } from '../size.ts'
import { type Cuts, cutEverywhere } from './images.ts'
import { fileMutants } from './mutants.ts'
import { makeFolder, record, wordsOf } from './recording.ts'
import type { Step } from './steps.ts'
import { announce, grouped, seed, tracedTest } from './suite.ts'

// Power cuts at any moment of provisioning and of turning to new keys: one whole set of keys, with its route (R1).
const count = isRelease ? 10_000 : 500
jest.setTimeout(120_000 + count * 200)
announce('power cuts of key files')

let folder = ''
beforeEach(() => {
  folder = makeFolder()
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const phases = ['fresh', 'requested', 'accepted', 'provisioned'] as const

/** What is wrong with a box that had told these steps when its power went. */
function faultsIn(state: string, steps: readonly Step[], all: readonly Step[]): string[] {
  try {
    const identity = loadIdentity(state)
    const told = steps.at(-1)
    if (told === undefined) return []
    if (phases.indexOf(identity.phase) < phases.indexOf(told.phase))
      return [`it was ${told.phase} and is ${identity.phase}`]
    if (identity.phase === 'fresh') return []
    const wrong: string[] = []
    const { sign } = named(identity as never)
    // what comes after the last step told may have happened, and nothing beyond
    const [, after] = all.slice(steps.length - 1)
    if (sign !== told.sign && sign !== after?.sign) wrong.push(`its key is ${sign}, which nobody told`)
    const next = identity.keys.next && bodyOf<Request>(identity.keys.next.request).keys.sign
    if (told.next !== undefined && sign === told.sign && next !== told.next)
      wrong.push('the proposed keys are gone')
    if ('route' in identity && identity.route !== undefined) {
      const bound = JSON.stringify(identity.route.binding.keys)
      const own = named(identity as never)
      const keys = JSON.stringify({ sign: own.sign, box: own.box, tls: own.tls })
      if (bound !== keys) wrong.push(`the route binds ${bound}, the keys are ${keys}`)
    }
    return wrong
  } catch (error) {
    if (isFault(error)) return [`it cannot be opened: ${error.code} ${error.message}`]
    throw error
  }
}

/** Records a box's way and cuts the power so often. */
function cutPower(images: number, mutant?: string): Cuts & { steps: Step[] } {
  const [state, tellFile] = [join(folder, 'state'), join(folder, 'told')]
  mkdirSync(state, { mode: 0o700 })
  const calls = record({ folder, state, tellFile }, [wordsOf('./keys.ts', [state, tellFile], mutant)], mutant)
  const all = calls.flatMap(call => (call.call === 'tell' ? [JSON.parse(call.text) as Step] : []))
  const steps: Step[] = []
  const done = cutEverywhere(
    { calls, root: state, folder, count: images, seed },
    text => void steps.push(JSON.parse(text)),
    image => faultsIn(image, steps, all),
  )
  return { ...done, steps }
}

tracedTest(
  `after ${grouped(count)} power cuts a box has the keys that it told, whole, and the route that binds them`,
  () => {
    const { images, bad, steps } = cutPower(count)
    const figure = `${bad.length} without keys`
    goal({ id: 'R1', size: `${grouped(images)} images of key files`, figure, pass: bad.length === 0 })
    expect(bad).toEqual([])
    expect(steps.length).toBe(7)
  },
)

tracedTest.each(Object.keys(fileMutants))('power cuts show the fault: %s', mutant => {
  expect(cutPower(200, mutant).bad.length).toBeGreaterThan(5)
})
