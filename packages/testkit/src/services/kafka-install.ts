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

const POM = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>io.millrace</groupId>
  <artifactId>kafka-for-tests</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>${KAFKA_VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId>
      <artifactId>log4j-slf4j-impl</artifactId>
      <version>${LOG4J_VERSION}</version>
    </dependency>
  </dependencies>
</project>
`

const cacheFolder = (): string => process.env.XDG_CACHE_HOME || join(homedir(), '.cache')

/** The folder with Kafka's jars; downloads them (about 43 MB) when this machine has not got them yet. */
export async function installKafka(): Promise<string> {
  const home = join(cacheFolder(), 'millrace')
  const libs = join(home, `kafka-${KAFKA_VERSION}`)
  if (hasJars(libs)) return libs
  mkdirSync(home, { recursive: true })
  const work = mkdtempSync(join(home, 'resolving-'))
  try {
    writeFileSync(join(work, 'pom.xml'), POM)
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
      if (!hasJars(libs)) throw error
    }
    return libs
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

function hasJars(libs: string): boolean {
  try {
    return readdirSync(libs).includes(`kafka_2.13-${KAFKA_VERSION}.jar`)
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
