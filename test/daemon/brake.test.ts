import { expect, test } from '@jest/globals'
import { makeBrake } from '../../src/daemon/brake.ts'

/** A statement on its way until it is let arrive. */
const way = () => Promise.withResolvers<void>()
const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

test('it is on from the bound until half of it has arrived, by statements or by bytes', async () => {
  const brake = makeBrake({ statements: 4, bytes: 1000 })
  const ways = [way(), way(), way(), way()]
  for (const { promise } of ways.slice(0, 3)) brake.follow(10, promise)
  expect(brake.isOn()).toBe(false)
  brake.follow(10, ways[3]!.promise)
  expect(brake.isOn()).toBe(true)
  ways[0]!.resolve()
  await turn()
  expect(brake.isOn()).toBe(true)
  ways[1]!.resolve()
  await turn()
  expect(brake.isOn()).toBe(false)
  const large = way()
  brake.follow(1000, large.promise)
  expect(brake.isOn()).toBe(true)
  large.resolve()
  await turn()
  expect(brake.isOn()).toBe(false)
})

test('what was refused is on its way no more', async () => {
  const brake = makeBrake({ statements: 1, bytes: 1000 })
  const refused = way()
  brake.follow(1, refused.promise)
  refused.reject(new Error('full'))
  await expect(refused.promise).rejects.toThrow('full')
  await turn()
  expect(brake.isOn()).toBe(false)
})

test('nobody who waits is left out: whoever was called first is called last the next time', async () => {
  const brake = makeBrake({ statements: 1, bytes: 1000 })
  const called: string[] = []
  let last = way()
  const greedy = (name: string) => () => {
    called.push(name)
    last = way()
    brake.follow(1, last.promise)
  }
  for (const name of ['a', 'b', 'c']) brake.listen(greedy(name))
  const leave = brake.listen(greedy('never'))
  leave()
  brake.follow(1, last.promise)
  for (let round = 0; round < 5; round++) {
    last.resolve()
    await turn()
  }
  expect(called).toEqual(['a', 'b', 'c', 'a', 'b'])
})
