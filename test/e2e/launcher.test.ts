// The launcher on a machine where java, mvn and redis-server are missing: a PATH with little on it stands for it.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const millrace = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'bin/millrace')
const folders: string[] = []
after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

/** A folder to be the whole PATH: what the launcher itself needs, and these scripts. */
function pathWith(scripts: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-path-'))
  folders.push(folder)
  symlinkSync(process.execPath, join(folder, 'node'))
  for (const tool of ['dirname', 'readlink', 'sh', 'cat', 'chmod']) symlinkSync(`/usr/bin/${tool}`, join(folder, tool))
  for (const [name, script] of Object.entries(scripts)) {
    writeFileSync(join(folder, name), `#!/bin/sh\n${script}\n`)
    chmodSync(join(folder, name), 0o755)
  }
  return folder
}

const run = (path: string, ...args: readonly string[]): { readonly status: number | null; readonly output: string } => {
  const done = spawnSync(millrace, args, { env: { PATH: path, HOME: tmpdir() }, encoding: 'utf8' })
  return { status: done.status, output: `${done.stdout}${done.stderr}` }
}

const JAVA_11 = `echo 'openjdk version "11.0.2" 2019-01-15' >&2`
const JAVA_21 = `echo 'openjdk version "21.0.2" 2024-01-16' >&2`

test('without apt-get it says exactly what to install and ends with exit code 2', () => {
  const { status, output } = run(pathWith({ java: JAVA_11, mvn: 'exit 0' }), 'demo')
  assert.equal(status, 2)
  assert.match(output, /Missing on this machine: java >= 17, redis-server\./)
  assert.match(output, /apt-get install -y --no-install-recommends openjdk-17-jre-headless redis-server/)
})

test('as root it installs what is missing, and only that, with the java this system has', {
  skip: process.getuid?.() !== 0 && 'needs root',
}, () => {
  const path = pathWith({
    'redis-server': 'exit 0',
    'apt-cache': `case "$2" in openjdk-17*) echo "  Candidate: (none)";; *) echo "  Candidate: 1";; esac`,
  })
  const java = `#!/bin/sh\n${JAVA_21}\n`
  writeFileSync(
    join(path, 'apt-get'),
    `#!/bin/sh\necho "$@" >> ${path}/log\n` +
      `[ "$1" = install ] && { cat > ${path}/java <<'END'\n${java}END\ncat > ${path}/mvn <<'END'\n#!/bin/sh\nEND\nchmod 755 ${path}/java ${path}/mvn; }\nexit 0\n`,
  )
  chmodSync(join(path, 'apt-get'), 0o755)
  const { status, output } = run(path, 'demo', '--records', '1')
  // Set-up went through: the demo itself refuses the number.
  assert.match(output, /--records must be/)
  assert.equal(status, 2)
  assert.deepEqual(readFileSync(join(path, 'log'), 'utf8').trim().split('\n'), [
    '--version',
    'update -q',
    'install -y -q --no-install-recommends openjdk-21-jre-headless maven',
  ])
})

test('a worker needs neither java nor maven nor redis-server on its machine', () => {
  const { status, output } = run(pathWith({}), 'worker', '--config', '/no/such/file.properties')
  assert.doesNotMatch(output, /Missing on this machine/)
  assert.equal(status, 2)
})

test('the exit code of the command is the exit code of the launcher', () => {
  assert.equal(run(pathWith({}), '--help').status, 0)
  assert.equal(run(pathWith({}), 'no-such-command').status, 2)
})

test('bench tells what it can measure, and refuses what it cannot', () => {
  const help = run(pathWith({}), 'bench', '--help')
  assert.equal(help.status, 0)
  assert.match(help.output, /pipeline.*\n.*emulator.*\n.*takeover.*\n.*control-plane/)
  assert.match(run(pathWith({}), 'bench', 'emulator', '--help').output, /^Usage: .*--storage/)
  assert.match(run(pathWith({}), 'bench', '--help', 'control-plane').output, /control-plane/)
  const unknown = run(pathWith({}), 'bench', 'the-weather')
  assert.equal(unknown.status, 2)
  assert.match(unknown.output, /the-weather/)
})

test('a measurement that needs Kafka and Redis says what is missing for them; one that does not, does not ask', () => {
  assert.match(run(pathWith({}), 'bench', 'control-plane').output, /Missing on this machine: java/)
  assert.doesNotMatch(run(pathWith({}), 'bench', 'emulator', '--help').output, /Missing on this machine/)
})
