import type { DeviceFacts } from './port.ts'
import type { Characteristic, Peer } from './radio.ts'

const longestText = 64

/** Characteristics of the Device Information Service. */
const texts = { '2a29': 'maker', '2a24': 'model', '2a25': 'serial', '2a26': 'firmware' } as const

/** A text as a device fills its field: without what pads it, and nothing that a terminal obeys. */
function textOf(bytes: Uint8Array): string {
  const whole = new TextDecoder().decode(bytes).replace(/[\p{Cc}\p{Cf}\s\ufffd]+/gu, ' ')
  return Array.from(whole.trim()).slice(0, longestText).join('').trim()
}

/**
 * What a device tells of itself: maker, model, serial number, firmware, battery. What is missing, empty or
 * refused (`tried` tells) is left out.
 */
export async function informationOf(
  peer: Peer,
  there: readonly Characteristic[],
  tried: (act: () => Promise<void>) => Promise<boolean>,
): Promise<DeviceFacts> {
  const facts: DeviceFacts = {}
  const readable = (uuid: string): boolean =>
    there.some(one => one.uuid === uuid && one.flags.includes('read'))
  for (const [uuid, name] of Object.entries(texts)) {
    if (!readable(uuid)) continue
    await tried(async () => {
      const text = textOf(await peer.read(uuid))
      if (text !== '') facts[name] = text
    })
  }
  if (readable('2a19')) {
    await tried(async () => {
      const [percent] = await peer.read('2a19')
      if (percent !== undefined && percent <= 100) facts.battery = percent
    })
  }
  return facts
}
