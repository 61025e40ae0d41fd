// Makes a clone ready to run and prints the path of the Node to run it with (Node 24, TypeScript without a build).
// Plain JavaScript for any Node >= 20, no dependencies: it runs before there are any. People read stderr, bin/millrace stdout.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const EXIT_USAGE = 2
const NODE_MAJOR = 24
const JAVA_MAJOR = 17
const root = dirname(dirname(fileURLToPath(import.meta.url)))
/** Commands that start their own Kafka and Redis; every other needs npm packages only. */
const WITH_SERVICES = new Set(['demo', 'test', 'chaos', 'soak'])
const MEASURES_WITH_SERVICES = new Set(['control-plane', 'pipeline', 'takeover'])

const TOOLS = [
  {
    name: `java >= ${JAVA_MAJOR}`,
    isThere: () => javaMajor() >= JAVA_MAJOR,
    /** Debian 12 has 17, Debian 13 has 21. */
    packages: ['openjdk-17-jre-headless', 'openjdk-21-jre-headless', 'default-jre-headless'],
  },
  { name: 'maven (mvn)', isThere: () => runs('mvn', ['--version']), packages: ['maven'] },
  { name: 'redis-server', isThere: () => runs('redis-server', ['--version']), packages: ['redis-server'] },
]

if (Number(process.versions.node.split('.')[0]) < 20)
  fail(`Millrace needs node >= 20 to start; this is ${process.version}.`)
installPackages()
const node = findNode()
const [command = '', word = ''] = process.argv.slice(2)
if (WITH_SERVICES.has(command) || (command === 'bench' && MEASURES_WITH_SERVICES.has(word))) installTools()
process.stdout.write(node)

function installPackages() {
  if (isInstalled()) return
  say('Installing the npm packages (npm ci) …')
  // npm must not run on the node of the folder it is about to replace.
  const path = (process.env.PATH ?? '').split(delimiter).filter(folder => folder !== join(root, 'node_modules', '.bin'))
  const npm = spawnSync(
    'npm',
    ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--include=dev', '--include=optional'],
    {
      cwd: root,
      env: { ...process.env, PATH: path.join(delimiter), npm_config_global: '' },
      stdio: ['ignore', 2, 2],
    },
  )
  if (npm.error) fail(`npm could not be started (${npm.error.message}). Install npm >= 10.`)
  if (npm.status !== 0) fail('npm ci failed; see its message above.', 1)
}

/** Whether node_modules holds what package-lock.json says, by npm's own record of what it installed. */
function isInstalled() {
  const installedFile = join(root, 'node_modules', '.package-lock.json')
  if (!existsSync(installedFile)) return false
  const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages
  const installed = JSON.parse(readFileSync(installedFile, 'utf8')).packages
  return Object.entries(wanted).every(([path, entry]) => {
    if (!path.startsWith('node_modules/')) return true
    const found = installed[path]
    // Optional packages of other platforms are absent.
    if (found === undefined) return entry.optional === true
    return entry.link === true || found.version === entry.version
  })
}

/** The Node that came with the npm packages; where there is none for this platform, the machine's own. */
function findNode() {
  const own = join(root, 'node_modules', '.bin', 'node')
  if (existsSync(own) && nodeMajor(own) >= NODE_MAJOR) return own
  if (nodeMajor(process.execPath) >= NODE_MAJOR) return process.execPath
  return fail(
    `Millrace runs on node >= ${NODE_MAJOR}. It comes with the npm packages on Linux x64 and arm64 (glibc); on this machine ` +
      `(${process.platform} ${process.arch}, node ${process.version}) install node ${NODE_MAJOR} from nodejs.org and try again.`,
  )
}

function installTools() {
  const missing = TOOLS.filter(tool => !tool.isThere())
  if (missing.length === 0) return
  const names = missing.map(tool => tool.name).join(', ')
  if (process.getuid?.() !== 0 || !runs('apt-get', ['--version'])) {
    fail(
      `Missing on this machine: ${names}.\nInstall with: sudo apt-get update && sudo apt-get install -y --no-install-recommends ` +
        `${missing.map(tool => tool.packages[0]).join(' ')}\n(or your system's equivalents on the PATH), then run the same command again.`,
    )
  }
  say(`Installing ${names} with apt-get …`)
  apt(['update', '-q'])
  const packages = missing.map(tool => tool.packages.find(isInstallable) ?? tool.packages[0])
  apt(['install', '-y', '-q', '--no-install-recommends', ...packages])
  const still = TOOLS.filter(tool => !tool.isThere())
  if (still.length > 0) fail(`apt-get finished, but this is still missing: ${still.map(tool => tool.name).join(', ')}.`)
}

function apt(args) {
  const done = spawnSync('apt-get', args, {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 64 << 20,
  })
  if (done.status === 0) return
  process.stderr.write(`${done.stdout}${done.stderr}`)
  fail(`apt-get ${args.join(' ')} failed.`)
}

function isInstallable(name) {
  const policy = spawnSync('apt-cache', ['policy', name], { encoding: 'utf8' })
  return /Candidate: (?!\(none\))/.test(policy.stdout ?? '')
}

function javaMajor() {
  const java = spawnSync('java', ['-version'], { encoding: 'utf8' })
  return java.status === 0 ? Number(/version "(\d+)/.exec(java.stderr)?.[1] ?? 0) : 0
}

function nodeMajor(path) {
  if (path === process.execPath) return Number(process.versions.node.split('.')[0])
  const node = spawnSync(path, ['--version'], { encoding: 'utf8' })
  return node.status === 0 ? Number(/^v(\d+)/.exec(node.stdout)?.[1] ?? 0) : 0
}

function runs(command, args) {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0
}

function say(sentence) {
  process.stderr.write(`${sentence}\n`)
}

function fail(sentence, exitCode = EXIT_USAGE) {
  say(sentence)
  process.exit(exitCode)
}
