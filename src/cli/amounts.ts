const steps = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1000],
] as const

/** A span for people, in its two largest units: `3 h 12 min`. */
export function span(ms: number): string {
  const at = steps.findIndex(([, length]) => ms >= length)
  if (at < 0) return '0 s'
  const [unit, length] = steps[at]!
  const first = `${Math.floor(ms / length)} ${unit}`
  const next = steps[at + 1]
  const rest = next === undefined ? 0 : Math.floor((ms % length) / next[1])
  return rest === 0 ? first : `${first} ${rest} ${next![0]}`
}

/** How long a moment is past, for people; `-` for none, `in …` for one to come. */
export function ago(moment: number | null, now: number): string {
  if (moment === null) return '-'
  return moment > now ? `in ${span(moment - now)}` : `${span(now - moment)} ago`
}

/** Bytes as MiB with one digit after the point. */
export const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`

/** A day, as people write it in lists: 2027-03-09. */
export const day = (moment: number): string => new Date(moment).toISOString().slice(0, 10)
