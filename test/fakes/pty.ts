import { spawn } from 'node:child_process'

/** The far end of a pseudo terminal: what a device would be. `path` is the end that a port opens. */
export interface Pty {
  path: string
  write(text: string): void
  /** The next so many characters that were written to the port. */
  read(length: number): Promise<string>
  /** Takes the device away. */
  kill(): void
}

/** Opens a raw pseudo terminal and carries bytes between it and the standard streams. */
const program = `
import os, pty, select, sys, tty
far, near = pty.openpty()
tty.setraw(near)
sys.stdout.write(os.ttyname(near) + "\\n")
sys.stdout.flush()
while True:
    for end in select.select([far, 0], [], [])[0]:
        data = os.read(end, 4096)
        if not data:
            sys.exit(0)
        os.write(1 if end == far else far, data)
`

/** Opens a pseudo terminal with Debian's Python, which every test machine has. */
export async function openPty(): Promise<Pty> {
  const child = spawn('/usr/bin/python3', ['-u', '-c', program], { stdio: ['pipe', 'pipe', 'inherit'] })
  let held = ''
  let wake = (): void => {}
  child.stdout.setEncoding('latin1').on('data', (text: string) => {
    held += text
    wake()
  })
  const read = async (length: number): Promise<string> => {
    while (held.length < length) await new Promise<void>(resolve => (wake = resolve))
    const text = held.slice(0, length)
    held = held.slice(length)
    return text
  }
  let path = ''
  while (!path.endsWith('\n')) path += await read(1)
  return {
    path: path.trim(),
    write: text => void child.stdin.write(text, 'latin1'),
    read,
    kill: () => void child.kill('SIGKILL'),
  }
}
