import type { Heard } from '../driver/session.ts'
import { type Kind, kindNames } from '../reading/kinds.ts'
import { type Quantity, spoken } from '../reading/quantity.ts'

/** Milliseconds as seconds with three digits after the point. */
export const seconds = (ms: number): string => (ms / 1000).toFixed(3)

/** What a frame meant, for a person. */
export function told(heard: Heard): string {
  if ('silent' in heard) return `silent: ${heard.silent}`
  if ('fault' in heard) return `${heard.fault}: ${heard.why}`
  if ('scanned' in heard) return `band ${heard.scanned}`
  const values = kindNames.flatMap((kind: Kind) => {
    const one: Quantity | undefined = heard.measured[kind]
    return one === undefined ? [] : [`${kind} ${spoken(one)}`]
  })
  const time = heard.deviceTime === undefined ? [] : [`device time ${heard.deviceTime}`]
  const id = heard.deviceId === undefined ? [] : [`device id ${heard.deviceId}`]
  const kept = heard.stored === true ? ['from its memory'] : []
  return [...values, ...time, ...id, ...kept].join(', ')
}
