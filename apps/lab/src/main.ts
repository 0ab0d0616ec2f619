import { suggest, systemRandom } from '@ngisec/core';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import type { ScenarioResult } from './check.ts';
import { available } from './namespaces/availability.ts';
import { amounts, runScenario, scenarios, type BackendName, type Scenario } from './scenarios.ts';
import { resultTable } from './table.ts';

interface Options {
  readonly memory?: boolean;
  readonly json?: boolean;
  readonly pcap?: string;
  readonly stay?: boolean;
  readonly seed?: number;
  readonly interception?: 'auto' | 'tc' | 'rules';
  readonly offload: boolean;
}

const SEEDS = 0x1_0000_0000;

function readSeed(text: string): number {
  if (/^\d+$/.test(text) && Number(text) < SEEDS) return Number(text);
  throw new InvalidArgumentError(`a seed is an integer from 0 to ${SEEDS - 1}.`);
}

const say = (line: string): void => void process.stderr.write(line + '\n');

function choose({ run }: Scenario, { memory }: Options): { backend: BackendName; why: string } {
  if (memory === true && run.memory !== undefined) return { backend: 'memory', why: 'as asked' };
  if (run.namespaces === undefined) return { backend: 'memory', why: 'this scenario runs in memory only' };
  if (run.memory === undefined) return { backend: 'namespaces', why: 'this scenario needs real stacks' };
  const machine = available();
  if (machine.ok) {
    return { backend: 'namespaces', why: 'this machine lets us make network namespaces and TUN devices' };
  }
  return { backend: 'memory', why: `${machine.reason}; for real Linux stacks: ${machine.fix}` };
}

async function run(scenario: Scenario, options: Options): Promise<ScenarioResult> {
  const { backend, why } = choose(scenario, options);
  say(`${scenario.name}: ${scenario.summary}`);
  say(`back-end: ${backend} (${why})`);
  const startedMs = performance.now();
  const seconds = (): string => ((performance.now() - startedMs) / 1000).toFixed(1).padStart(6);
  const result = await runScenario(scenario, backend, {
    ...amounts[backend],
    seed: options.seed ?? systemRandom.integer(SEEDS),
    machine: { interception: options.interception ?? 'auto', offload: options.offload },
    progress: (line) => say(`${seconds()} s  ${line}`),
    ...(options.pcap === undefined ? {} : { pcapDirectory: options.pcap }),
    ...(options.stay === undefined ? {} : { stay: options.stay }),
  });
  if (options.json === true) process.stdout.write(JSON.stringify(result, undefined, 2) + '\n');
  else process.stdout.write(`\n${resultTable(result)}\n`);
  return result;
}

function find(name: string): Scenario {
  // UDPSec is what TCPSec is called over UDP; one scenario shows both.
  const asked = name === 'udpsec' ? 'tcpsec' : name;
  const scenario = scenarios.find((candidate) => candidate.name === asked);
  if (scenario !== undefined) return scenario;
  say(
    `no scenario "${name}"${suggest(
      name,
      scenarios.map((candidate) => candidate.name),
    )}`,
  );
  throw new CommanderError(2, 'lab.unknown', 'unknown scenario');
}

const listed = ({ name, summary, run }: Scenario): object => ({ name, summary, backends: Object.keys(run) });

const program = new Command('lab')
  .description('Hosts, gateways and a router between them, in network namespaces or in memory.')
  .exitOverride();
program
  .command('list')
  .description('list the scenarios')
  .option('--json', 'as JSON')
  .action(({ json }: Options) => {
    if (json === true)
      return void process.stdout.write(JSON.stringify(scenarios.map(listed), undefined, 2) + '\n');
    for (const { name, summary } of scenarios) process.stdout.write(`${name.padEnd(12)} ${summary}\n`);
  });
program
  .command('start')
  .description('the demonstration: vpn on the best back-end this machine allows')
  .action(async () => {
    const { passed } = await run(scenarios[0]!, { offload: true });
    if (!passed) process.exitCode = 1;
    else
      say(
        '\nnext: npm run lab -- vpn --stay   keeps the network for your own experiments; README.md says more',
      );
  });
program
  .command('run', { isDefault: true })
  .description('run a scenario')
  .argument('<scenario>')
  .option('--memory', 'in memory and virtual time, without rights, on any system')
  .option('--json', 'the result as JSON, alone on standard output')
  .option('--pcap <directory>', 'write a capture of each leg there, and the keys, for Wireshark')
  .option('--stay', 'keep the network until interrupted')
  .addOption(
    new Option('--interception <method>', 'how packets reach the nodes').choices(['auto', 'tc', 'rules']),
  )
  .option('--no-offload', 'without large segments between kernel and nodes')
  .option('--seed <number>', 'repeat a run in memory exactly', readSeed)
  .action(async (name: string, options: Options) => {
    const { passed } = await run(find(name), options);
    if (!passed) process.exitCode = 1;
  });

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? 0 : 2;
}
