import { createInterface } from 'node:readline/promises'
import { usage } from '../base/output.ts'

/** Asks a person on the terminal. Fault `usage` with `otherwise` as hint where there is none. */
export async function typed(question: string, otherwise: string): Promise<string> {
  if (!process.stdin.isTTY) throw usage(`this needs an answer: ${question.replace(/:? *$/, '')}`, otherwise)
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  terminal.once('SIGINT', () => process.exit(130))
  try {
    return (await terminal.question(question)).trim()
  } finally {
    terminal.close()
  }
}
