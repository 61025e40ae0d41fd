// How the JVMs of tests are started: quickly and small.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'

export type JavaOptions = {
  /** The folder with the jars of the class path. */
  readonly libs: string
  readonly heapMegabytes: number
  /** A file with LOG4J_PROPERTIES. */
  readonly log4j: string
}

/** The serial collector and C1 alone halve the time to start and the memory; a service of tests needs neither more. */
export const javaFlags = ({ libs, heapMegabytes, log4j }: JavaOptions): readonly string[] => [
  `-Xmx${heapMegabytes}m`,
  '-XX:+UseSerialGC',
  '-XX:TieredStopAtLevel=1',
  '-Xshare:auto',
  '-Djava.awt.headless=true',
  `-Dlog4j2.configurationFile=${log4j}`,
  '-cp',
  classPath(libs),
]

const classPath = (libs: string): string =>
  readdirSync(libs)
    .filter(name => name.endsWith('.jar'))
    .sort()
    .map(name => join(libs, name))
    .join(':')

/** Warnings and worse, to standard output. */
export const LOG4J_PROPERTIES = `status=error
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d %p %m (%c)%n
rootLogger.level=warn
rootLogger.appenderRef.out.ref=out
`
