import {
  chmodSync,
  closeSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  globSync,
  lchownSync,
  mkdirSync,
  openSync,
  readFileSync,
  statSync,
} from 'node:fs'
import { dirname, resolve } from 'node:path'
import { codeOf, Fault } from '../base/fault.ts'
import { fileFault, isThere, writeFileAtomic } from '../base/files.ts'
import { crl, type Revoked } from './authority.ts'
import { mosquittoConfiguration, mosquittoFiles, mosquittoRules } from './mosquitto.ts'
import { isRevoked, type Registry } from './registry.ts'
import { brokerTls, readAuthorities } from './state.ts'

/** What to export, and for whom. */
export interface ExportPlan {
  state: string
  /** Where to; made if it is not there. */
  folder: string
  /** Path of mosquitto_dynamic_security.so; looked for where packages put it if left out. */
  plugin?: string
  /** Who Mosquitto becomes when it was started as root. */
  user: string
  /** What the registry says is revoked. */
  revoked: readonly Revoked[]
  now: number
}

/** What was exported. */
export interface Exported {
  folder: string
  /** Paths of what was written. */
  files: string[]
  gateways: number
  revoked: number
  /** To whom the files must belong. */
  user: string
  /** Whether they do: only root can give them away. */
  given: boolean
}

/** Where packages put the plugin: Debian and its like, others, and what was built by hand. */
const pluginPlaces = [
  '/usr/lib/*/mosquitto_dynamic_security.so',
  '/usr/lib{,64}/mosquitto_dynamic_security.so',
  '/usr/local/lib{,64}/mosquitto_dynamic_security.so',
]

function findPlugin(): string {
  const [found] = globSync(pluginPlaces)
  if (found !== undefined) return found
  throw new Fault('file.missing', 'there is no mosquitto_dynamic_security.so on this machine', {
    hint: 'install mosquitto 2.0 or newer, or name the path on the machine of the broker: --plugin FILE',
  })
}

/** A line of the configuration holds it: no line may become two. */
function plainLine(what: string, text: string): string {
  if (/^[^\p{Cc}]{1,1024}$/u.test(text)) return text
  throw new Fault('input.invalid', `${what} is no plain line of text`)
}

/** Names and ids of a user on this machine, or undefined where there is none or this is not root. */
function ownerOf(user: string): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined
  const lines = readFileSync('/etc/passwd', 'utf8').split('\n')
  const [, , uid, gid] = lines.find(line => line.startsWith(`${user}:`))?.split(':') ?? []
  return uid === undefined || gid === undefined ? undefined : { uid: Number(uid), gid: Number(gid) }
}

/** Makes a folder that others may enter and nobody else may write to; one that is there must be such. */
function makeOpenFolder(path: string): void {
  try {
    if (!isThere(path)) {
      mkdirSync(path, { recursive: true })
      chmodSync(path, 0o755) // the umask may have taken bits away
    }
    const { uid, mode } = statSync(path)
    if (uid === process.getuid?.() && (mode & 0o022) === 0) return
  } catch (error) {
    throw error instanceof Fault ? error : fileFault(path, error)
  }
  throw new Fault('permission', `${path} belongs to another user, or others may write to it`, {
    hint: `whoever can change it can change who is let in; see: ls -ld ${path}`,
  })
}

/** The log as Mosquitto would make it, but also readable for the group of who exports: the receiver's. */
function makeLog(path: string, owner: { uid: number } | undefined): void {
  makeOpenFolder(dirname(path))
  try {
    const file = openSync(path, 'wx', 0o640)
    try {
      fchmodSync(file, 0o640)
      if (owner !== undefined) fchownSync(file, owner.uid, process.getgid!())
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
  } catch (error) {
    // it is there already and stays as it is
    if (codeOf(error) !== 'EEXIST') throw fileFault(path, error)
  }
}

/**
 * Writes a folder with which Mosquitto runs as it is: certificates, access rules of every gateway that
 * is enrolled and not revoked, the
 * list of revoked certificates, and last the configuration that names them. Each file is replaced as a whole;
 * others in the folder are left alone. Faults: `input.invalid` where the receiver has its own broker,
 * `file.missing` without the plugin, `permission`, `disk.full`.
 */
export async function exportMosquitto(registry: Registry, plan: ExportPlan): Promise<Exported> {
  const { facts, server } = registry
  if (facts.broker === 'embedded') {
    throw new Fault('input.invalid', 'this receiver runs the embedded broker', {
      hint: 'a broker of your own is named at init: --broker mqtts://HOST:PORT',
    })
  }
  const { state, now, revoked } = plan
  const user = plainLine('the user', plan.user)
  const folder = plainLine('the folder', resolve(plan.folder))
  const plugin = plainLine('the plugin', resolve(plan.plugin ?? findPlugin()))
  const gateways = registry
    .gateways()
    .filter(gateway => registry.gateway(gateway) !== undefined && !isRevoked(registry, gateway))
  const { key, certificate, authority } = brokerTls(state)
  // Mosquitto wants a list of each CA that it is given
  const lists = await Promise.all(readAuthorities(state).map(one => crl(one, revoked, now)))
  const at = mosquittoFiles(folder)
  const files: [path: string, content: string][] = [
    [at.authority, authority],
    [at.certificate, certificate],
    [at.key, key],
    [at.revoked, lists.join('')],
    [at.rules, mosquittoRules({ server: server.id, receiver: facts.client, gateways })],
    [
      at.configuration,
      mosquittoConfiguration({ folder, port: facts.port, plugin, user, gateways: gateways.length }),
    ],
  ]
  const owner = ownerOf(user)
  makeOpenFolder(folder)
  makeOpenFolder(at.own)
  makeLog(at.log, owner)
  for (const [path, content] of files) {
    writeFileAtomic(path, content, 0o600)
    if (owner !== undefined) lchownSync(path, owner.uid, owner.gid)
  }
  return {
    folder,
    files: files.map(([path]) => path),
    gateways: gateways.length,
    revoked: revoked.length,
    user,
    given: owner !== undefined,
  }
}
