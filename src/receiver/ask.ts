import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { Fault } from '../base/fault.ts'
import { readSecretFile } from '../base/files.ts'
import { usage } from '../base/output.ts'

/** Shortest passphrase for a root key: below it, guessing the key file would be cheap. */
const shortest = 12

/** Whether a person sits at the keyboard. */
export const isAttended = (): boolean => process.stdin.isTTY === true

/** What a person types after `question` on the terminal; with `hidden` the letters are not shown. */
export function ask(question: string, hidden = false): Promise<string> {
  process.stderr.write(question)
  const output = hidden ? new Writable({ write: (_chunk, _encoding, done) => done() }) : process.stderr
  const lines = createInterface({ input: process.stdin, output, terminal: true })
  return new Promise((resolve, reject) => {
    lines.once('SIGINT', () => {
      process.stderr.write('\n')
      reject(new Fault('interrupted', 'interrupted at the keyboard'))
      lines.close()
    })
    lines.once('line', line => {
      if (hidden) process.stderr.write('\n')
      resolve(line)
      lines.close()
    })
    lines.once('close', () => reject(new Fault('interrupted', 'the terminal was closed')))
  })
}

/** The passphrase in a file of mode 0600, without the line break at its end. */
function passphraseIn(path: string): string {
  const text = readSecretFile(path, 'file.missing').toString('utf8')
  return text.replace(/\r?\n$/, '')
}

/**
 * The root's passphrase: from the file, or else from the person at the terminal. `isNew` asks twice and
 * refuses a short one. Nothing is ever taken from the command line or the environment.
 */
export async function askPassphrase(file: string | undefined, isNew: boolean): Promise<string> {
  if (file === undefined && !isAttended()) {
    throw usage(
      'the root key needs its passphrase, and there is no terminal to ask at',
      '--passphrase-file FILE',
    )
  }
  const passphrase =
    file === undefined
      ? await ask(
          isNew ? 'New passphrase for the registry root: ' : 'Passphrase of the registry root: ',
          true,
        )
      : passphraseIn(file)
  if (!isNew) return passphrase
  if ([...passphrase].length < shortest) {
    throw usage(`the passphrase is shorter than ${shortest} characters`, 'take four or more words at random')
  }
  if (file === undefined && (await ask('The same again: ', true)) !== passphrase) {
    throw usage('the two passphrases are not the same', 'type the command again')
  }
  return passphrase
}
