import { expect, test } from '@jest/globals'
import type { Fault } from '../../src/base/fault.ts'
import type { Args } from '../../src/wire/members.ts'
import { dangerousVerbs, type VerbName, verbArgs } from '../../src/wire/verbs.ts'

const refusal = (verb: VerbName, args: Args): string | undefined => {
  try {
    verbArgs(verb, args)
    return undefined
  } catch (error) {
    expect((error as Fault).code).toBe('input.invalid')
    return (error as Fault).message
  }
}

test('what cannot be taken back, or changes what the box does, is dangerous (WIRE 7.12)', () => {
  expect(dangerousVerbs).toEqual(['restart', 'config-set', 'capture-start', 'rotate', 'wipe', 'abandon'])
})

/** Arguments of each verb, and the words that a refusal must hold; undefined where they fit. */
const cases: [VerbName, Args, RegExp | undefined][] = [
  ['ping', {}, undefined],
  ['ping', { loud: true }, /ping: argument loud: unknown name/],
  ['devices', { all: true }, /unknown name/],
  ['config-set', { key: 'log.level', value: 'debug' }, undefined],
  ['config-set', {}, /argument key: is missing/],
  ['config-set', { key: 'log.level' }, /argument value: is missing/],
  ['config-set', { key: 'log.level', value: '' }, /argument value/],
  ['config-set', { key: 'log.level', value: true }, /argument value: must be a text/],
  ['capture-start', { device: 'scale-1', seconds: 600 }, undefined],
  ['capture-start', { device: 'scale-1', seconds: 601 }, /argument seconds/],
  ['capture-start', { device: 'scale-1', seconds: 0 }, /argument seconds/],
  ['capture-start', { device: '/dev/ttyUSB0', seconds: 1 }, /argument device/],
  ['capture-start', { seconds: 1 }, /argument device: is missing/],
  ['capture-stop', { device: 'scale-1' }, /unknown name/],
  // a server or a key is given up, by its whole id: neither all of them nor two at once
  ['abandon', { key: '0123456789abcdef' }, undefined],
  ['abandon', { server: 'a'.repeat(26) }, undefined],
  ['abandon', {}, /must be server or key/],
  ['abandon', { key: '0123456789abcdef', server: 'a'.repeat(26) }, /must be server or key/],
  ['abandon', { key: '0123456789abcde' }, /argument key/],
  ['abandon', { server: 'k3v9qa' }, /argument server/],
  ['abandon', { epoch: '0123456789abcdef' }, /unknown name/],
  // no setting that names an address, a path or a port, or how much is kept
  ['config-set', { key: 'control.socket', value: '/tmp/x' }, /argument key: must be one of log\.level/],
  ['config-set', { key: 'outbox.quota', value: '16MiB' }, /argument key/],
  ['config-set', { key: 'uplink.broker', value: 'mqtts://elsewhere:8883' }, /argument key/],
  ['config-set', { key: 'log.level', value: 'debug', also: 1 }, /argument also: unknown name/],
]

test.each(cases)('%s with %j', (verb, args, words) => {
  const told = refusal(verb, args)
  if (words === undefined) expect(told).toBeUndefined()
  else expect(told).toMatch(words)
})
