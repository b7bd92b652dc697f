import { readFileSync } from 'node:fs'
import type { Attack, Hop } from '../attack.ts'
import { faultOf } from '../build.ts'
import type { Piece } from '../piece.ts'
import type { Scene } from '../scene.ts'

// The running program itself: whoever has the gateway's account, or words its environment.

const piece = (text: string, replacement: string): Piece => ({ file: 'base/hardening.ts', text, replacement })

/** Questions that the gateway answers between a signal and the look at what it did. */
const questions = 40

/** Whether Node opened its inspector: it says so, even where its port is taken by somebody else. */
async function inspected(scene: Scene): Promise<string> {
  const { log, child } = scene.first.daemon
  const before = readFileSync(log, 'utf8').length
  child.kill('SIGUSR1')
  const opened = (): boolean =>
    /Debugger listening|Starting inspector/.test(readFileSync(log, 'utf8').slice(before))
  for (let count = 0; count < questions && !opened(); count++) await scene.first.status()
  // what it said at last is in its log once it has ended
  await scene.restart('first')
  return opened() ? 'a debugger may come in' : 'no debugger'
}

/** Starts a command with this in its environment, past the scripts that keep it out. */
async function started(scene: Scene, env: Record<string, string>): Promise<string> {
  const words = ['--state', scene.first.state, '--json', 'status']
  return faultOf(await scene.build.typeIn(env, 'vitalgate', ...words)) ?? 'runs'
}

const refusal = piece('if (why === undefined) return\n', 'return\n')

const attacks: Attack[] = [
  {
    id: 'T19a',
    attack: 'has the gateway’s account, sends it SIGUSR1, at which Node lets a debugger in',
    expected: 'no debugger',
    undefended: 'a debugger may come in',
    defence: [piece("process.on('SIGUSR1', () => undefined)", '')],
    programs: ['first'],
    act: inspected,
  },
  {
    id: 'T19b',
    attack: 'words the environment, has Node let a debugger in (NODE_OPTIONS)',
    expected: 'config.invalid',
    undefended: 'runs',
    defence: [refusal],
    programs: [],
    act: scene => started(scene, { NODE_OPTIONS: '--inspect=127.0.0.1:0' }),
  },
  {
    id: 'T19c',
    attack: 'words the environment, has Node load his code (NODE_OPTIONS)',
    expected: 'config.invalid',
    undefended: 'runs',
    defence: [refusal],
    programs: [],
    act: scene => started(scene, { NODE_OPTIONS: '--require=node:os' }),
  },
  {
    id: 'T26c',
    attack: 'words the environment, has Node believe every certificate',
    expected: 'config.invalid',
    undefended: 'runs',
    defence: [refusal],
    programs: [],
    act: scene => started(scene, { NODE_TLS_REJECT_UNAUTHORIZED: '0' }),
  },
]

export const processHop: Hop = { hop: 'process', attacks }
