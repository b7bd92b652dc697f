import { expect, test } from '@jest/globals'
import { Fault } from '../../src/base/fault.ts'
import { makeLog } from '../../src/base/log.ts'

const taken = (level: string, act: (log: ReturnType<typeof makeLog>) => void): Record<string, unknown>[] => {
  const lines: string[] = []
  act(makeLog(level, { write: line => lines.push(line) }))
  return lines.map(line => JSON.parse(line))
}

test('a line has its level, time, part, fields and words', () => {
  const [line] = taken('info', log => log.child({ part: 'uplink' }).info({ seq: 7, port: '/dev/x' }, 'sent'))
  expect(line).toMatchObject({ level: 'info', part: 'uplink', seq: 7, port: '/dev/x', msg: 'sent' })
  expect(line?.time).toMatch(/^\d{4}-\d\d-\d\dT/)
})

test('the level is obeyed', () => {
  expect(taken('warn', log => [log.info('a'), log.warn('b')])).toMatchObject([{ msg: 'b' }])
})

test('the level can be changed, for the log and all parts of it that there are', () => {
  const lines = taken('info', log => {
    const part = log.child({ part: 'uplink' })
    part.debug('a')
    log.relevel('debug')
    part.debug('b')
    log.relevel('error')
    part.info('c')
    log.warn('d')
  })
  expect(lines).toMatchObject([{ level: 'debug', part: 'uplink', msg: 'b' }])
})

const canary = 'CANARY-72.4'
test.each(['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const)(
  'nothing that is not on the list is written at %s, in whatever way it is put in',
  level => {
    const text = JSON.stringify(
      taken('trace', log => {
        const values = { weight: canary }
        for (const one of [log, log.child({ band: canary, newField: canary, part: 'x', values })]) {
          one[level](
            { band: canary, values, raw: canary, frame: canary, resident: canary, seed: canary },
            'taken',
          )
          one[level]({ seq: values, device: { band: canary }, newField: canary, key: canary }, 'taken')
          one[level]({ err: new Error(canary) }, 'failed')
          one[level](new Error(canary))
          one[level](`weight 72.4`)
          one[level]({ seq: 1 }, 'pressure 120/80')
        }
      }),
    )
    expect(text).not.toContain('CANARY')
    // ("120" alone may stand in a time of day)
    expect(text).not.toMatch(/72\.4|120\/80/)
    expect(text).toContain('withheld')
  },
)

test('a Fault is told by its code and message, another error by its place only', () => {
  const [fault, bug] = taken('info', log => {
    log.error({ err: new Fault('port.gone', 'port is gone', { hint: 'plug it in' }) }, 'port')
    log.error({ err: new TypeError('x') }, 'bug')
  })
  expect(fault?.err).toEqual({ code: 'port.gone', message: 'port is gone', hint: 'plug it in' })
  expect(bug?.err).toMatchObject({ name: 'TypeError' })
  expect(JSON.stringify(bug)).toContain('log.test')
})
