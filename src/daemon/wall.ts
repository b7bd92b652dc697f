/** The site's own wall clock, as devices show it. */
export interface Wall {
  year: number
  month: number
  day: number
  hour: number
  minute: number
  second: number
  /** Monday is 1, Sunday is 7. */
  weekday: number
}

const weekdays = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun']

/** Tells the wall clock of an IANA time zone at a moment, milliseconds since 1970 UTC. */
export function wallOf(timezone: string): (ms: number) => Wall {
  const format = new Intl.DateTimeFormat('en-GB', {
    timeZone: timezone,
    hourCycle: 'h23',
    weekday: 'short',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  })
  return ms => {
    const parts = new Map(format.formatToParts(ms).map(({ type, value }) => [type, value]))
    const number = (type: Intl.DateTimeFormatPartTypes): number => Number(parts.get(type))
    return {
      year: number('year'),
      month: number('month'),
      day: number('day'),
      hour: number('hour'),
      minute: number('minute'),
      second: number('second'),
      weekday: weekdays.indexOf(parts.get('weekday') ?? '') + 1,
    }
  }
}

/** A wall clock as milliseconds, as if its zone were UTC: what two of them are compared by. */
export const wallMs = ({ year, month, day, hour, minute, second }: Wall): number =>
  Date.UTC(year, month - 1, day, hour, minute, second)
