// `npm run bench [-- what …]`: what is measured is the first word.
const MEASUREMENTS: Readonly<Record<string, { readonly about: string; readonly run: () => Promise<unknown> }>> = {
  pipeline: {
    about: 'Kafka to BigQuery: Millrace, its alternatives, its parts (the default)',
    run: () => import('./pipeline.ts'),
  },
  emulator: { about: 'rows per second into the emulator', run: () => import('./emulator.ts') },
  takeover: { about: 'how long the partitions of a killed worker stand still', run: () => import('./takeover.ts') },
  'control-plane': {
    about: 'the REST API of a worker with 1,000 connectors',
    run: () => import('./control-plane.ts'),
  },
}
const DEFAULT = 'pipeline'
const EXIT_USAGE = 2

const word = process.argv[2]
const isNamed = word !== undefined && !word.startsWith('-')
const measurement = MEASUREMENTS[isNamed ? word : DEFAULT]
if (word === '--help' || word === '-h') process.stdout.write(usage())
else if (measurement === undefined) {
  process.stderr.write(`There is nothing to measure called ${word}.\n${usage()}`)
  process.exitCode = EXIT_USAGE
} else {
  if (isNamed) process.argv.splice(2, 1)
  await measurement.run()
}

function usage(): string {
  const width = Math.max(...Object.keys(MEASUREMENTS).map(name => name.length))
  const list = Object.entries(MEASUREMENTS).map(([name, { about }]) => `  ${name.padEnd(width)}  ${about}\n`)
  return `Usage: npm run bench [-- what] [--quick] [--json FILE] …\n\n${list.join('')}\n\`npm run bench -- what --help\` tells its flags.\n`
}
