import { GraphError } from '@ngisec/core';
import { LinkError, ownerPid, undoStale } from '@ngisec/link-linux';
import { Command, CommanderError } from 'commander';
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { commonSchema } from './application.ts';
import { ConfigurationError, ConfigurationFile, validate } from './configuration.ts';
import { importApplication, load, type FindApplication } from './load.ts';
import { run } from './run.ts';

/** 0 done, 1 the machine or a bug is in the way, 2 the configuration or the command line is wrong. */
export type ExitCode = 0 | 1 | 2;

export interface Output {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

const consoleOutput: Output = {
  out: (text) => void process.stdout.write(text + '\n'),
  err: (text) => void process.stderr.write(text + '\n'),
};

function version(): string {
  const manifest = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}

/** The `ngisec` command. Resolves to its exit code; never throws for what a user can get wrong. */
export async function ngisec(
  argv: readonly string[],
  output: Output = consoleOutput,
  find: FindApplication = importApplication,
): Promise<ExitCode> {
  const program = new Command('ngisec')
    .description(
      'Runs NGISec hosts and gateways: end-to-end encryption that leaves IP and transport headers readable.',
    )
    .exitOverride()
    .configureOutput({
      writeOut: (text) => output.out(text.trimEnd()),
      writeErr: (text) => output.err(text.trimEnd()),
    });
  program
    .command('run')
    .description('run a node until it is interrupted; undoes what it changed on the machine')
    .argument('<file>', 'configuration file')
    .option('--report <file>', 'write the counters there as JSON, at the end and on SIGUSR2')
    .option('--key-log <file>', 'write the keys there, for Wireshark: whoever has the file reads everything')
    .action(async (file: string, options: { report?: string; keyLog?: string }) => {
      await run(await load(file, find), { ...options, say: output.err });
    });
  program
    .command('check')
    .description('check configuration and key files; changes nothing')
    .argument('<files...>', 'configuration files')
    .option('--json', 'print the problems, or the graphs, as JSON')
    .option('--graph', 'print how the stages are linked')
    .action((files: string[], options: { json?: boolean; graph?: boolean }) =>
      check(files, options, output, find),
    );
  program
    .command('down')
    .description('undo what a killed node left behind')
    .argument('<file>', 'configuration file')
    .action((file: string) => {
      const { name } = validate(new ConfigurationFile(file), z.looseObject({ name: commonSchema.name }));
      const pid = ownerPid(name);
      if (pid !== undefined) {
        throw new LinkError(
          `${name} is running as process ${pid}`,
          `Stop it with: kill ${pid}; it cleans up by itself.`,
        );
      }
      output.out(undoStale(name) ? `${name}: undone` : `${name}: nothing to undo`);
    });
  program
    .command('version')
    .description('print the version')
    .action(() => output.out(version()));
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return 0;
  } catch (error) {
    return explain(error, output);
  }
}

async function check(
  files: readonly string[],
  { json, graph }: { json?: boolean; graph?: boolean },
  output: Output,
  find: FindApplication,
): Promise<void> {
  const problems: ConfigurationError['problems'][number][] = [];
  const graphs: Record<string, unknown> = {};
  for (const file of files) {
    try {
      const { application, configuration } = await load(file, find);
      graphs[file] = application.graph(configuration);
    } catch (error) {
      if (!(error instanceof ConfigurationError)) throw error;
      problems.push(...error.problems);
    }
  }
  if (json === true)
    output.out(JSON.stringify({ ok: problems.length === 0, problems, graphs }, undefined, 2));
  if (problems.length > 0) throw json === true ? new ReportedError() : new ConfigurationError(problems);
  if (json === true) return;
  for (const [file, spec] of Object.entries(graphs)) {
    output.out(`${file}: ok`);
    if (graph === true) for (const link of (spec as { links: string[] }).links) output.out(`  ${link}`);
  }
}

/** Configuration problems that were printed already. */
class ReportedError extends Error {}

function explain(error: unknown, output: Output): ExitCode {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof ReportedError) return 2;
  if (error instanceof ConfigurationError) {
    output.err(error.message);
    return 2;
  }
  if (error instanceof LinkError) output.err(`${error.message}\n  ${error.fix}`);
  else if (error instanceof GraphError) output.err(`the graph is wrong:\n${error.message}`);
  else output.err(error instanceof Error ? (error.stack ?? error.message) : String(error));
  return 1;
}
