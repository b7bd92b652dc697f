/** The page beside a driver, as all others have it. */
export const notes = (name: string, line: string): string => `# ${name}

**Devices.** FILL IN: models, and which of them was seen.

**Source.** FILL IN: manual with revision and page; public projects; captures of a true device.

**Line.** ${line}

| part    | bytes   | meaning |
| ------- | ------- | ------- |
| FILL IN | FILL IN | FILL IN |

**Meaning.** FILL IN: what is a value; what is silent, and with which reason; what is refused.

**Guard.** FILL IN: what catches a flipped bit; where nothing does, say so.

**Oddities.** FILL IN: what the device does that the manual does not say.

**Not read.** FILL IN: what it can say that is not looked at.

**Confidence.** FILL IN: none yet, the device here is invented.
`
