// The cases of write-api.md §6 through Google's Python clients: google-cloud-bigquery-storage and google-cloud-bigquery, of the
// versions in requirements.txt, in a virtual environment of their own.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { buildFolder, missing, runBuild, testProgram } from '../support/program-cases.ts'

const source = import.meta.dirname
const requirements = join(source, 'requirements.txt')
const version = createHash('sha256').update(readFileSync(requirements)).digest('hex').slice(0, 12)
const environment = join(buildFolder('python'), version)

/** A finished environment is complete: it appears by one rename. */
async function install(): Promise<void> {
  if (existsSync(environment)) return
  const folder = dirname(environment)
  const unfinished = mkdtempSync(join(folder, 'unfinished-'))
  try {
    await runBuild({ command: 'python3', args: ['-m', 'venv', unfinished], cwd: folder })
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-input']
    await runBuild({
      command: join(unfinished, 'bin/python'),
      args: [...pip, '--requirement', requirements],
      cwd: folder,
    })
    renameSync(unfinished, environment)
  } catch (error) {
    rmSync(unfinished, { recursive: true, force: true })
    // Another run may have been quicker.
    if (!existsSync(environment)) throw error
  }
}

/** Debian has the venv module in a package of its own; the versions in requirements.txt want a Python of their time. */
function unusable(): string | false {
  if (process.env.CI === 'true' || existsSync(environment)) return false
  const check = spawnSync('python3', ['-c', 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))'])
  return check.status !== 0 && 'python3 is older than 3.11 or has no venv (apt install python3-venv)'
}

testProgram(
  'the Python clients',
  missing({ python3: 'https://www.python.org/downloads' }) || unusable(),
  install,
  ({ usual }) => ({
    command: join(environment, 'bin/python'),
    // -B: no compiled files beside the sources.
    args: ['-B', '-u', join(source, 'run.py'), usual.grpc, usual.rest],
    cwd: source,
  }),
)
