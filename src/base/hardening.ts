import { Fault } from './fault.ts'

/** Options of Node.js that open a program which holds keys, and what each would do. Forms: `--name`, `--name=…`. */
const opening: readonly [RegExp, string][] = [
  [/^--(inspect|debug-port|experimental-(network|storage|worker)-inspection)/, 'lets a debugger in'],
  [/^--(tls-keylog|trace-tls)$/, 'writes down what TLS hides'],
  [/^--tls-(min-v1\.[01]|max-v1\.[01])$/, 'allows an outdated TLS'],
  [/^(-r|--require|--import|--loader|--experimental-loader)$/, 'loads foreign code'],
  [/^--(env-file|experimental-(default-)?config-file)/, 'reads more such options from a file'],
  [/^--(heapsnapshot|heap-prof|report-(on-|uncaught|signal))/, 'writes memory to a file'],
  [/^--abort-on-uncaught-exception$/, 'leaves a core file'],
  [
    /^--(openssl-config|openssl-shared-config|openssl-legacy-provider|security-revert)$/,
    'weakens cryptography',
  ],
]

/** Variables under which the runtime writes what passes through it, or believes everybody. */
const weakening: readonly [string, (value: string) => boolean, string][] = [
  ['NODE_TLS_REJECT_UNAUTHORIZED', value => value === '0', 'turns the check of certificates off'],
  ['NODE_DEBUG', value => value !== '', 'writes what passes through to the log'],
  ['NODE_DEBUG_NATIVE', value => value !== '', 'writes what passes through to the log'],
]

/** What is wrong with how this process was started, as `--inspect lets a debugger in`; undefined if nothing is. */
function openedBy(options: readonly string[], env: NodeJS.ProcessEnv): string | undefined {
  for (const option of options) {
    // Node takes an underscore for a dash, and a value after = or as the next word
    const name = option.replace(/=.*$/s, '').replaceAll('_', '-')
    const found = opening.find(([form]) => form.test(name))
    if (found !== undefined) return `${name} ${found[1]}`
  }
  const found = weakening.find(([name, weakens]) => weakens(env[name] ?? ''))
  return found === undefined ? undefined : `${found[0]} ${found[2]}`
}

/**
 * A fault `config.invalid` where Node.js was started so that others could look in, or its TLS be fooled.
 * The scripts of the programs never do; this is for a program that is started without them.
 */
export function refuseOpened(
  options: readonly string[] = process.execArgv,
  env: NodeJS.ProcessEnv = process.env,
): void {
  const given = (env.NODE_OPTIONS ?? '').split(/[\s"]+/).filter(word => word !== '')
  const why = openedBy([...options, ...given], env)
  if (why === undefined) return
  throw new Fault('config.invalid', `Node.js was started in a way that is not safe here: ${why}`, {
    hint: 'start the program through scripts/vitalgate or scripts/vitalgate-receiver, which keep such settings out',
  })
}

/**
 * Closes what Node.js leaves open on a running program. Before any library is loaded: `debug` of npm, which
 * several use, writes packets to stderr when DEBUG names them.
 */
export function harden(): void {
  refuseOpened()
  delete process.env.DEBUG
  // by default SIGUSR1 opens the inspector; --disable-sigusr1 of the scripts closes the time before this line
  process.on('SIGUSR1', () => undefined)
  const { report } = process
  // a report that somebody asks for all the same tells neither environment nor addresses
  Object.assign(report, { excludeEnv: true, excludeNetwork: true })
  Object.assign(report, {
    reportOnSignal: false,
    reportOnFatalError: false,
    reportOnUncaughtException: false,
  })
}
