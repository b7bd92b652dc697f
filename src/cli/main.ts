import { keepCompiled } from '../base/compiled.ts'
import { harden } from '../base/hardening.ts'
import { refuseOldNode } from '../base/node.ts'
import { exit, exitOf, tellFault } from '../base/output.ts'

/** The program `vitalgate`. */
async function main(words: readonly string[]): Promise<number> {
  const json = words.includes('--json')
  try {
    refuseOldNode()
    harden()
    keepCompiled()
    const { runProgram } = await import('./program.ts')
    return await runProgram(words)
  } catch (error) {
    tellFault('vitalgate', error, json)
    return exitOf(error)
  }
}

// a reader that has seen enough (`vitalgate … | head`) is no failure
process.stdout.on('error', error =>
  process.exit('code' in error && error.code === 'EPIPE' ? exit.done : exit.failed),
)
process.exitCode = await main(process.argv.slice(2))
