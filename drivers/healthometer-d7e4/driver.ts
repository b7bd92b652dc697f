import { driver, fields, none, quantity, type Said, type Silent } from '#driver'

// STX or SOH, a status byte, D7 E4, the weight as text, CR. No sign of stability and no check.
// Source: Pelstar "Communication Protocols" REV20230711; Doran DS8030 manual MAN0303 p.11-12; see NOTES.md.

/** 80 and 82 are pounds and kilograms, B0 and B2 the same below zero. 5 characters on the chair, 6 Doran, 7 baby. */
const frame = /^[\x01\x02]([\x80\x82\xb0\xb2])\xd7\xe4(?=.{5,7}$) *(\d+\.\d+)$/

function understand(status: string, weight: string): Said | Silent {
  if (/^[0.]+$/.test(weight)) return { silent: 'zero' }
  if (status === '\xb0' || status === '\xb2') return { silent: 'negative' }
  return { measured: { 'body-weight': quantity(weight, status === '\x80' ? 'lb' : 'kg') } }
}

/** About two seconds at the 3.75 frames a second of a Doran. */
const stillFrames = 8

/** Doran sends whatever it displays: after a change, a weight is one when it stood still. */
function stillOnly(): (heard: Said | Silent) => Said | Silent {
  let before: number | undefined
  let moving = false
  let still = 0
  return heard => {
    const passing = 'measured' in heard ? heard.measured['body-weight'] : undefined
    const value = passing === undefined ? 0 : passing.n / 10 ** passing.s
    still = value === before ? still + 1 : 1
    if (before !== undefined && value !== before) moving = true
    before = value
    if (still >= stillFrames) moving = false
    return moving && passing !== undefined ? { silent: 'unstable', passing } : heard
  }
}

export default driver({
  name: 'Health o meter 2595KL chair scale and baby scales, Doran DS8030 (FH)',
  revision: 1,
  options: {
    model: {
      choices: ['health-o-meter', 'doran'],
      default: 'health-o-meter',
      tells: 'doran: a DS8030 set to FH (two stop bits, and a weight counts when it stood still)',
    },
    mode: {
      choices: ['continuous', 'once'],
      default: 'continuous',
      tells:
        'continuous: zeros are sent too, each settled weighing counts once; once: only weights are, each new one counts',
    },
  },
  link: ({ model }) => ({
    serial: { baud: 2400, stopBits: model === 'doran' ? 2 : 1 },
    frame: { until: '\r', limit: 32 },
  }),
  check: none,
  says: ['body-weight'],
  // The chair goes on sending the weight of a resident who left.
  settle: ({ mode }) => (mode === 'once' ? 'each' : { kind: 'body-weight', emptyBelow: 0.5, movedBy: 1 }),
  // Baby scales send each weight twice.
  repeatMs: ({ mode }) => (mode === 'once' ? 10_000 : 0),
  listen: ({ model }) => {
    const still = stillOnly()
    return payload => {
      const [status = '', weight = ''] = fields(payload, frame)
      const heard = understand(status, weight)
      return model === 'doran' ? still(heard) : heard
    }
  },
})
