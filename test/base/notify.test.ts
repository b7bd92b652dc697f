import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from '@jest/globals'
import { notify } from '../../src/base/notify.ts'

const folder = mkdtempSync(join(tmpdir(), 'vitalgate-notify-'))
afterAll(() => rmSync(folder, { recursive: true }))

const root = new URL('../..', import.meta.url).pathname
const script = `
  import { notify } from '${root}src/base/notify.ts'
  console.log(notify('READY=1'), notify('STOPPING=1'), process.env.NOTIFY_SOCKET, process.argv[2])`

/** Binds a datagram socket as systemd does, runs the program under it and prints the sender and what came. */
const listener = `
  use Socket; my ($name, @command) = @ARGV;
  my $address = $name =~ s/^@/\\0/r;
  socket(my $socket, AF_UNIX, SOCK_DGRAM, 0) or die; bind($socket, pack_sockaddr_un($address)) or die;
  setsockopt($socket, SOL_SOCKET, 16, 1) or die; # SO_PASSCRED
  $ENV{NOTIFY_SOCKET} = $name;
  my $child = fork // die; exec @command or die unless $child; waitpid($child, 0);
  for (1 .. 2) { recv($socket, my $text, 100, MSG_DONTWAIT) // die "nothing came"; print "$text\\n" }`

test.each([
  ['a path', join(folder, 'notify.sock')],
  ['an abstract name', '@vitalgate-notify-test'],
])('systemd is told over %s, by the program itself', (_, name) => {
  const said = execFileSync(
    '/usr/bin/perl',
    [
      '-e',
      listener,
      name,
      join(root, 'scripts/node'),
      '--input-type=module',
      '-e',
      script,
      'x',
      'an argument',
    ],
    { encoding: 'utf8' },
  )
  expect(said.split('\n')).toEqual(['true true undefined an argument', 'READY=1', 'STOPPING=1', ''])
})

test('a notify socket that is not there is warned about, and the program runs', () => {
  const { stdout, stderr, status } = spawnSync(
    join(root, 'scripts/node'),
    ['--input-type=module', '-e', script],
    { encoding: 'utf8', env: { ...process.env, NOTIFY_SOCKET: join(folder, 'none') } },
  )
  expect([status, stdout.trim()]).toEqual([0, 'false false undefined undefined'])
  expect(stderr).toContain('warning: systemd cannot be told')
})

test('without systemd nobody is told', () => {
  expect(notify('READY=1', {})).toBe(false)
  expect(() => notify('READY=1', { VITALGATE_NOTIFY_FD: '../x' })).toThrow('no descriptor')
})
