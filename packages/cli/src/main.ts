// The command line. Each command is loaded only when it is called, so that `--help` answers at once.
import { createRequire } from 'node:module'
import { Command } from 'commander'

const { version } = createRequire(import.meta.url)('../package.json') as { version: string }

const program = new Command('millrace')
  .description('Kafka to BigQuery, exactly once.')
  .version(version, '--version')
  .helpCommand(false)
  .exitOverride(error => process.exit(error.exitCode === 0 ? 0 : 2)) // commands inherit it when they are added

program
  .command('worker')
  .description('Run one worker of a cluster.')
  .requiredOption('--config <file>', 'worker properties file')
  .option('--set <key=value...>', 'settings that win over file and environment')
  .action(async (options: { config: string; set?: string[] }) => {
    const { runWorkerCommand } = await import('./worker/command.ts')
    process.exit(await runWorkerCommand(options)) // a request nobody answers must not keep the process
  })

program
  .command('hash-password')
  .description('Print a line for rest.basic.users.file; the password is read from stdin.')
  .argument('<name>', 'name of the user')
  .option('--role <role>', 'viewer, operator or admin', 'viewer')
  .action(async (name: string, options: { role: string }) => {
    const { runHashPassword } = await import('./hash-password.ts')
    process.exitCode = await runHashPassword(name, options.role)
  })

program
  .command('verify')
  .description('Compare a connector with its topics and tables, and print a receipt. Changes nothing.')
  .argument('<connector>', 'its name')
  .option('--url <url>', 'REST address of any worker', 'http://127.0.0.1:8083')
  .option('--user <name>', 'where users log in; the password is MILLRACE_PASSWORD')
  .option('--json', 'as JSON')
  .action(async (connector: string, options: { url: string; user?: string; json?: boolean }) => {
    const { runVerify } = await import('./verify/command.ts')
    process.exit(await runVerify(connector, options))
  })

program
  .command('journal')
  .description('What stands in the journal.')
  .command('inspect')
  .description('Claims, streams and Intents of partitions in plain words. Reads Kafka alone: no worker has to run.')
  .requiredOption('--config <file>', 'worker properties file')
  .option('--set <key=value...>', 'settings that win over file and environment')
  .option('--connector <name>', 'of this connector, the whole story')
  .option('--partition <topic-partition>', 'of this partition, as in orders-3')
  .option('--json', 'as JSON')
  .action(
    async (options: { config: string; set?: string[]; connector?: string; partition?: string; json?: boolean }) => {
      const { runJournalInspect } = await import('./journal/inspect-command.ts')
      process.exit(await runJournalInspect(options))
    },
  )

for (const [name, description] of [
  ['demo', 'Move three million real records through Kafka into the emulator, with faults, and compare.'],
  ['emulator', 'Run the BigQuery emulator.'],
] as const)
  program
    .command(name)
    .description(description)
    .allowUnknownOption()
    .allowExcessArguments()
    .helpOption(false) // the command knows its own options
    .action(async (_options: unknown, command: Command) => {
      process.exitCode = await (name === 'demo' ? demo(command.args) : emulator(command.args))
    })

async function demo(args: readonly string[]): Promise<number> {
  const { runDemo } = await import('./demo/index.ts')
  return await runDemo(args)
}

async function emulator(args: readonly string[]): Promise<number> {
  const { runEmulator } = await import('@millrace/emulator')
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stop.abort())
  return await runEmulator(args, { signal: stop.signal })
}

await program.parseAsync()
