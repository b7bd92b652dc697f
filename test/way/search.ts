/** Something that must not be found: told by a name, never by its value. */
export interface Canary {
  name: string
  bytes: Uint8Array
}

/** Where is looked. */
export interface Place {
  name: string
  bytes: Uint8Array
}

const utf16 = (text: string): Buffer => Buffer.from(text, 'utf16le')

/** The characters of base64 that bytes give at each of the three offsets, without those shared with others. */
function base64Forms(bytes: Uint8Array): string[] {
  return [0, 1, 2].flatMap(offset => {
    const text = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64')
    const inner = text.slice(Math.ceil((offset * 8) / 6), Math.floor(((offset + bytes.length) * 8) / 6))
    return [inner, inner.replaceAll('+', '-').replaceAll('/', '_')]
  })
}

/** Every form in which a canary could be written: as it is, hex, base64, wide characters, listed numbers. */
export function formsOf({ bytes }: Canary): { form: string; bytes: Buffer }[] {
  const hex = Buffer.from(bytes).toString('hex')
  const listed = [...bytes].join(',')
  return [
    { form: 'plain', bytes: Buffer.from(bytes) },
    { form: 'reversed', bytes: Buffer.from(bytes.toReversed()) },
    { form: 'hex', bytes: Buffer.from(hex) },
    { form: 'HEX', bytes: Buffer.from(hex.toUpperCase()) },
    { form: 'listed', bytes: Buffer.from(listed) },
    { form: 'wide', bytes: utf16(Buffer.from(bytes).toString('latin1')) },
    ...base64Forms(bytes).map(text => ({ form: 'base64', bytes: Buffer.from(text) })),
  ]
}

/** Where which canary stands in which form, by name only. */
export function sightings(places: readonly Place[], canaries: readonly Canary[]): string[] {
  const found = new Set<string>()
  for (const canary of canaries) {
    for (const { form, bytes } of formsOf(canary)) {
      for (const place of places) {
        if (Buffer.from(place.bytes).includes(bytes)) found.add(`${place.name}: ${canary.name}, ${form}`)
      }
    }
  }
  return [...found]
}
