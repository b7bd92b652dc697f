import { join } from 'node:path'
import { Command } from 'commander'
import { makeFolder, writeFileAtomic } from '../base/files.ts'
import { print, printJson } from '../base/output.ts'
import { resolveGateway, withRegistry } from './cli-registry-open.ts'
import { makeBundle } from './enrol.ts'

async function bundle(prefixes: string[], command: Command): Promise<void> {
  const { out } = command.opts<{ out: string }>()
  await withRegistry(command, ({ store, registry, json }) => {
    makeFolder(out)
    for (const prefix of prefixes) {
      const gateway = resolveGateway(registry, prefix)
      const path = join(out, `${gateway}.bundle.json`)
      writeFileAtomic(path, makeBundle(store, registry, gateway))
      if (json) printJson({ gateway, bundle: path })
      else print(`bundle of ${gateway}: ${path}`)
    }
  })
}

/** `vitalgate-receiver registry bundle`: what a technician carries to the box, once more. */
export const bundleCommand = (): Command =>
  new Command('bundle')
    .argument('<gateway...>', 'gateway ids, or their first 6 characters or more')
    .description('write the bundles of enrolled gateways')
    .option('--out <dir>', 'folder for the bundles', '.')
    .action((gateways: string[], _options, self: Command) => bundle(gateways, self))
    .addHelpText(
      'after',
      '\nExample: vitalgate-receiver registry bundle k3v9qa --out bundles' +
        '\nExit codes: 0 done, 1 no such gateway, or revoked, 2 usage',
    )
