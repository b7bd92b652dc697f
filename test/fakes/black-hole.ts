import { spawn } from 'node:child_process'
import { once } from 'node:events'

/** A TCP port at 127.0.0.1 that answers nobody any more: its queue is full and nobody accepts. */
export interface BlackHole {
  port: number
  fill(): void
}

/**
 * Listens for one connection and lets one wait (listen(2): a backlog of 0 holds one), so that Linux drops
 * whatever else asks.
 */
const program = `
import socket, sys
server = socket.socket()
server.bind(("127.0.0.1", 0))
server.listen(0)
waiting = []
for _ in range(8):
    one = socket.socket()
    one.settimeout(0.2)
    waiting.append(one)
    try:
        one.connect(server.getsockname())
    except TimeoutError:
        print(server.getsockname()[1], flush=True)
        break
sys.stdin.read()
`

/** Opens one with Debian's Python: Node accepts by itself. */
export async function openBlackHole(): Promise<BlackHole> {
  const child = spawn('/usr/bin/python3', ['-u', '-c', program], { stdio: ['pipe', 'pipe', 'inherit'] })
  const [line] = (await once(child.stdout.setEncoding('latin1'), 'data')) as [string]
  return { port: Number(line), fill: () => void child.kill('SIGKILL') }
}
