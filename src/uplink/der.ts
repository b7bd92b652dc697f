import { Fault } from '../base/fault.ts'

/** One element of DER (X.690): its tag, and what is in it. */
export interface Element {
  tag: number
  content: Uint8Array
}

const malformed = (why: string): Fault => new Fault('wire.malformed', `DER ${why}`)

/** The length that stands at a place, and where the contents begin. */
function lengthAt(bytes: Uint8Array, at: number): { length: number; begins: number } {
  const first = bytes[at]
  if (first === undefined) throw malformed('ends before a length')
  if (first < 0x80) return { length: first, begins: at + 1 }
  // up to 16 MiB: a chain of certificates is at most 100 KiB
  const count = first & 0x7f
  const digits = bytes.subarray(at + 1, at + 1 + count)
  if (count === 0 || count > 3 || digits.length < count) throw malformed('has a length that is none')
  const length = digits.reduce((sum, digit) => sum * 256 + digit, 0)
  if (length < 0x80 || digits[0] === 0) throw malformed('has a length that is not the shortest')
  return { length, begins: at + 1 + count }
}

/** The elements that stand one behind the other. Fault `wire.malformed` where they do not fill the bytes. */
export function elementsOf(bytes: Uint8Array): Element[] {
  const elements: Element[] = []
  for (let at = 0; at < bytes.length; ) {
    const tag = bytes[at]!
    // tags of several bytes stand in no certificate
    if ((tag & 0x1f) === 0x1f) throw malformed(`has the tag ${tag}`)
    const { length, begins } = lengthAt(bytes, at + 1)
    const content = bytes.subarray(begins, begins + length)
    if (content.length < length) throw malformed('is cut short')
    elements.push({ tag, content })
    at = begins + length
  }
  return elements
}

/** The one element that the bytes are, of this tag. */
export function elementOf(bytes: Uint8Array, tag: number): Uint8Array {
  const [element, ...more] = elementsOf(bytes)
  if (element?.tag !== tag || more.length > 0) throw malformed(`is not one element of tag ${tag}`)
  return element.content
}
