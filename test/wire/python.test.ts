import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from '@jest/globals'
import { wordlist } from '@scure/bip39/wordlists/english.js'
import { hex, sha256 } from '../../src/base/bytes.ts'
import { headZero, nextHead } from '../../src/wire/chain.ts'
import { verifyKey } from '../../src/wire/keys.ts'
import { publicForm, type RegistryType, verifyRegistry } from '../../src/wire/registry.ts'
import { unpublish } from '../../src/wire/statement.ts'
import { readVector } from './read.ts'
import { vectorFolder } from './vector.ts'

// Debian's python3-nacl belongs to this interpreter; another python3 on the path may not see it
const interpreter = '/usr/bin/python3'
const check = fileURLToPath(new URL('check.py', import.meta.url))

/** What the second implementation prints. */
function python(...given: string[]): { status: number | null; stdout: string; stderr: string } {
  const ready = spawnSync(interpreter, ['-c', 'import nacl'])
  if (ready.status !== 0) throw new Error('PyNaCl is missing: apt-get install -y python3-nacl')
  const { status, stdout, stderr } = spawnSync(interpreter, ['-B', check, ...given], {
    encoding: 'utf8',
    maxBuffer: 1e8,
  })
  return { status, stdout, stderr }
}

test('the second implementation finds in every vector what the vector says', () => {
  const folder = mkdtempSync(join(tmpdir(), 'vitalgate-'))
  try {
    const list = `${wordlist.join('\n')}\n`
    // the hash of BIP 39's english.txt
    expect(hex(sha256(list))).toBe('2f5eed53a4727b4bf8880d8f3f199efc90e58503646d9ff8eff3a2ed3b24dbda')
    writeFileSync(join(folder, 'words'), list)
    const { status, stdout, stderr } = python('vectors', fileURLToPath(vectorFolder), join(folder, 'words'))
    expect({ status, stdout, stderr }).toMatchObject({ status: 0, stderr: '' })
    expect(stdout).toMatch(/^\d{3,} vectors, 0 differences\n$/)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

interface Peer {
  id: string
  sign: string
  box: string
}

interface Fresh {
  gateway: Peer
  server: Peer
  root: string
  sealed: {
    type: string
    way: string
    body: string
    envelope: string
    head?: string
    seen?: string
    epoch?: string
  }[]
  public: { type: string; body: string; sig: string }[]
}

test('what the second implementation makes is opened, and its heads are ours', () => {
  const { status, stdout, stderr } = python('make')
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  const fresh: Fresh = JSON.parse(stdout)
  const [zero, ...sealed] = fresh.sealed
  const key = verifyKey(Buffer.from(fresh.gateway.sign, 'hex'))
  const owner = { gateway: fresh.gateway.id, server: fresh.server.id, kid: key.kid }
  let head = headZero(zero!.epoch!, owner)
  expect(head).toBe(zero!.head)
  for (const made of sealed) {
    const [from, to] = made.way === 'up' ? [fresh.gateway, fresh.server] : [fresh.server, fresh.gateway]
    const bytes = Uint8Array.from(Buffer.from(made.envelope, 'hex'))
    const known = {
      kind: 'sealed',
      way: made.way,
      receiver: to.id,
      'box-secret': to.box,
      signer: from.id,
      'signer-key': from.sign,
    }
    const found = readVector({ name: made.type, head: known, bytes })
    expect(found).toMatchObject({ expect: 'opened', type: made.type, body: made.body })
    if (made.head !== undefined) {
      head = nextHead(head, bytes)
      expect(head).toBe(made.head)
      expect(found.head).toBe(made.head)
    }
  }
  expect(sealed.map(made => made.type).sort()).toEqual(
    ['epoch-open', 'event', 'hello', 'ready', 'receipt', 'reading', 'result', 'welcome'].sort(),
  )
  for (const made of fresh.public) {
    const statement = unpublish(publicForm.parse(made))
    const body = verifyRegistry(
      made.type as RegistryType,
      statement,
      verifyKey(Buffer.from(fresh.root, 'hex')),
    )
    expect(body).toEqual(JSON.parse(Buffer.from(made.body, 'base64url').toString()))
  }
})
