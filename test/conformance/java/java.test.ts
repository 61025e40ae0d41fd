// The cases of write-api.md §6 through Google's Java clients: google-cloud-bigquerystorage with its JsonStreamWriter, and
// google-cloud-bigquery. Maven resolves them, once per pom.xml; javac compiles the cases.
import { createHash } from 'node:crypto'
import { existsSync, globSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { buildFolder, missing, runBuild, testProgram } from '../support/program-cases.ts'

const BUILD_CLASSPATH = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:build-classpath'
/** The cases are short: a JVM that compiles little and collects plainly is done sooner. Arrow reaches into java.nio. */
const JVM = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '--add-opens=java.base/java.nio=ALL-UNNAMED']

const source = import.meta.dirname
const build = buildFolder('java')
const pom = createHash('sha256')
  .update(readFileSync(join(source, 'pom.xml')))
  .digest('hex')
const classpathFile = join(build, `classpath-${pom.slice(0, 12)}`)
const classes = join(build, `classes-${process.pid}`)

const readClasspath = (): string => readFileSync(classpathFile, 'utf8').trim()

/** Whether an earlier resolution is there, and all it found still is. */
const isResolved = (): boolean => existsSync(classpathFile) && readClasspath().split(delimiter).every(existsSync)

async function resolve(): Promise<void> {
  if (isResolved()) return
  const draft = `${classpathFile}.${process.pid}`
  const args = ['-B', '-q', BUILD_CLASSPATH, '-DincludeScope=runtime', `-Dmdep.outputFile=${draft}`]
  await runBuild({ command: 'mvn', args, cwd: source })
  renameSync(draft, classpathFile)
}

process.on('exit', () => rmSync(classes, { recursive: true, force: true }))

testProgram(
  'the Java clients',
  missing({
    mvn: 'Debian: apt-get install maven',
    javac: 'Debian: apt-get install default-jdk-headless',
    java: 'Debian: apt-get install default-jre-headless',
  }),
  async () => {
    await resolve()
    mkdirSync(classes, { recursive: true })
    const files = globSync('src/*.java', { cwd: source })
    const args = ['--release', '17', '-proc:none', '-cp', readClasspath(), '-d', classes, ...files]
    await runBuild({ command: 'javac', args, cwd: source })
  },
  ({ usual, idle }) => ({
    command: 'java',
    args: [
      ...JVM,
      ...['-cp', [classes, readClasspath()].join(delimiter), 'conformance.Main'],
      ...['-grpc', usual.grpc, '-rest', usual.rest, '-idle-grpc', idle.grpc, '-idle-rest', idle.rest],
    ],
    cwd: source,
  }),
)
