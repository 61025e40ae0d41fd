// Apache Kafka's jars, resolved by the machine's own Maven (so its mirrors, proxies and settings.xml apply) into a cache
// outside the checkout. A finished cache folder is complete: it appears by one rename.
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

export const KAFKA_VERSION = '4.1.2'
/** kafka_2.13 brings log4j-core but no binding for slf4j 1.7, which it logs through. */
const LOG4J_VERSION = '2.25.3'
const DEPENDENCY_PLUGIN = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1'

type Installation = {
  /** Its folder in the cache, the version added. */
  readonly name: string
  /** group:artifact:version. */
  readonly artifacts: readonly string[]
}

const LOG4J = `org.apache.logging.log4j:log4j-slf4j-impl:${LOG4J_VERSION}`
const KAFKA: Installation = { name: 'kafka', artifacts: [`org.apache.kafka:kafka_2.13:${KAFKA_VERSION}`, LOG4J] }
const CONNECT: Installation = {
  name: 'connect',
  artifacts: [
    // The runtime brings connect-json and connect-transforms.
    `org.apache.kafka:connect-runtime:${KAFKA_VERSION}`,
    `org.apache.kafka:connect-file:${KAFKA_VERSION}`,
    LOG4J,
  ],
}

const pom = ({ name, artifacts }: Installation): string => `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>io.millrace</groupId>
  <artifactId>${name}-for-tests</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
${artifacts.map(dependency).join('\n')}
  </dependencies>
</project>
`

function dependency(artifact: string): string {
  const [groupId, artifactId, version] = artifact.split(':')
  return `    <dependency>
      <groupId>${groupId}</groupId>
      <artifactId>${artifactId}</artifactId>
      <version>${version}</version>
    </dependency>`
}

const cacheFolder = (): string => process.env.XDG_CACHE_HOME || join(homedir(), '.cache')

/** The folder with Kafka's jars; downloads them (about 43 MB) when this machine has not got them yet. */
export const installKafka = (): Promise<string> => install(KAFKA)

/** The folder with Kafka Connect's jars (about 36 MB), of the same version as the broker's. */
export const installConnect = (): Promise<string> => install(CONNECT)

async function install(installation: Installation): Promise<string> {
  const home = join(cacheFolder(), 'millrace')
  const libs = join(home, `${installation.name}-${KAFKA_VERSION}`)
  if (hasJars(libs, installation)) return libs
  mkdirSync(home, { recursive: true })
  const work = mkdtempSync(join(home, 'resolving-'))
  try {
    writeFileSync(join(work, 'pom.xml'), pom(installation))
    await maven(work, [
      '-B',
      '-q',
      `${DEPENDENCY_PLUGIN}:copy-dependencies`,
      '-DincludeScope=runtime',
      `-DoutputDirectory=${join(work, 'libs')}`,
    ])
    try {
      renameSync(join(work, 'libs'), libs)
    } catch (error) {
      // Somebody else finished first: theirs is as good.
      if (!hasJars(libs, installation)) throw error
    }
    return libs
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

function hasJars(libs: string, { artifacts }: Installation): boolean {
  try {
    const files = new Set(readdirSync(libs))
    return artifacts.every(artifact => files.has(`${artifact.split(':').slice(1).join('-')}.jar`))
  } catch {
    return false
  }
}

function maven(cwd: string, args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const mvn = spawn('mvn', [...args], { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    const collect = (chunk: Buffer): void => {
      output = (output + chunk.toString()).slice(-8_000)
    }
    mvn.stdout.on('data', collect)
    mvn.stderr.on('data', collect)
    mvn.once('error', cause =>
      reject(new Error(`mvn could not be started (Debian: apt-get install maven): ${cause.message}`, { cause })),
    )
    mvn.once('close', code => {
      if (code === 0) resolve()
      else reject(new Error(`mvn could not resolve Apache Kafka ${KAFKA_VERSION} (exit code ${code}).\n${output}`))
    })
  })
}
