/** X.Y.Z, each a number of at most six digits without leading zeros; nothing behind it. */
const form = /^(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})\.(0|[1-9]\d{0,5})$/

/** The three numbers of a version; undefined where the text is none. */
function numbersOf(text: string): number[] | undefined {
  const found = form.exec(text)
  return found === null ? undefined : found.slice(1).map(Number)
}

/** Whether a text is a version: X.Y.Z. */
export const isVersion = (text: string): boolean => form.test(text)

/**
 * Whether a version is lower than the lowest that is wanted. What is no version is lower than any; where the lowest
 * is none, nothing is wanted.
 */
export function isBelow(version: string, lowest: string): boolean {
  const least = numbersOf(lowest)
  if (least === undefined) return false
  const own = numbersOf(version)
  if (own === undefined) return true
  const at = own.findIndex((number, place) => number !== least[place])
  return at !== -1 && own[at]! < least[at]!
}
