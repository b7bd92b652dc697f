import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** A piece of one source file, and what stands there in the test build: one defence, switched off. */
export interface Piece {
  /** The file below `src`. */
  file: string
  /** The text, which stands there exactly once. */
  text: string
  replacement: string
}

/** The name of a source file as the module hook sees it. */
export const sourceUrl = (file: string): string => new URL(`../../src/${file}`, import.meta.url).href

/** The source with the piece replaced. An error where its text is not there exactly once: the test is stale. */
export function replaced(source: string, { file, text, replacement }: Piece): string {
  const found = source.split(text).length - 1
  if (found !== 1) throw new Error(`the defence stands ${found} times in src/${file}, not once: ${text}`)
  return source.replace(text, () => replacement)
}

/** Fails unless the piece stands in its file exactly once. */
export const checkPiece = (piece: Piece): string =>
  replaced(readFileSync(fileURLToPath(sourceUrl(piece.file)), 'utf8'), piece)
