import { enableCompileCache } from 'node:module'
import { fileURLToPath } from 'node:url'
import { harden } from '../base/hardening.ts'
import { refuseOldNode } from '../base/node.ts'
import { exit, exitOf, tellFault } from '../base/output.ts'

/**
 * The program `vitalgate`. What was compiled is kept beside the installed modules, where only those may
 * write who may write the program itself.
 */
async function main(words: readonly string[]): Promise<number> {
  const json = words.includes('--json')
  try {
    refuseOldNode()
    harden()
    enableCompileCache(
      process.env.CACHE_DIRECTORY ??
        fileURLToPath(new URL('../../node_modules/.cache/vitalgate', import.meta.url)),
    )
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
