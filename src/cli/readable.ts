/** Bytes as people read them: printable ASCII as it is, everything else as a dot. */
export const readable = (bytes: Uint8Array): string =>
  Array.from(bytes, byte => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.')).join('')
