/** What a terminal obeys instead of showing: control characters, and marks such as those that turn the direction. */
const unseen = /[\p{Cc}\p{Cf}]/gu
const unseenButBreaks = /[^\P{Cc}\n\t]|\p{Cf}/gu

/** A text of several lines that shows itself and does nothing else: all but line feed and tab becomes `?`. */
export const plainText = (text: string): string => text.replace(unseenButBreaks, '?')

/** A text that stays in its place, a word of a message or a cell of a table: line feed and tab become `?` too. */
export const plainWord = (text: string): string => text.replace(unseen, '?')

/** JSON of one line that means the same, with the characters escaped that JSON may hold and a terminal obeys. */
export const plainJson = (value: unknown): string =>
  JSON.stringify(value).replace(unseen, found =>
    Array.from(
      { length: found.length },
      (_, at) => `\\u${found.charCodeAt(at).toString(16).padStart(4, '0')}`,
    ).join(''),
  )
