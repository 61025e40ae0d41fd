// The cases of write-api.md §6 through Google's Go clients: cloud.google.com/go/bigquery and its managedwriter.
import { join } from 'node:path'
import { buildFolder, missing, runBuild, testProgram } from '../support/program-cases.ts'

const source = import.meta.dirname
const program = join(buildFolder('go'), 'conformance')
// A cold build compiles some 600 packages: without optimising and debug symbols in a good half of the time.
const QUICK = ['-gcflags=all=-N -l', '-ldflags=-s -w']

testProgram(
  'the Go clients',
  missing({ go: 'https://go.dev/dl' }),
  async () => {
    await runBuild({ command: 'go', args: ['build', '-mod=readonly', ...QUICK, '-o', program, '.'], cwd: source })
  },
  ({ usual, idle }) => ({
    command: program,
    args: ['-grpc', usual.grpc, '-rest', usual.rest, '-idle-grpc', idle.grpc, '-idle-rest', idle.rest],
    cwd: source,
  }),
)
