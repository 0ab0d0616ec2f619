// One TCP stream through five network namespaces: the kernel, ours from host to host, wireguard-go, our whole VPN
import { cpus, release } from 'node:os';
import { parseArgs } from 'node:util';
import { available, find, Interruption, Network, run } from '@ngisec/lab';
import { measure } from './e2e/measure.mjs';
import { setUps } from './e2e/set-ups.mjs';

const help = `usage: npm run bench -- e2e [--rounds N] [--seconds N] [--json]

Each round measures every set-up, in an order that rotates, so that a slow spell of the machine meets all of them:

${Object.entries(setUps)
  .map(([name, { summary }]) => `  ${name.padEnd(13)} ${summary}`)
  .join('\n')}

  --rounds N    3 unless told otherwise
  --seconds N   of one iperf3 run; 5 unless told otherwise
  --json        one JSON object on standard output

Exit code: 0, 1 where the target (lan at least as fast as wireguard-go) is missed or the machine lacks something,
2 for a wrong command line.`;

const packages = {
  iperf3: 'iperf3',
  'wireguard-go': 'wireguard-go',
  wg: 'wireguard-tools',
  ping: 'iputils-ping',
};

function readOptions() {
  const number = (name, text) => {
    if (/^[1-9]\d*$/.test(text)) return Number(text);
    throw new Error(`--${name} takes a whole number from 1 on, not "${text}"`);
  };
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '3' },
      seconds: { type: 'string', default: '5' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  return { ...values, rounds: number('rounds', values.rounds), seconds: number('seconds', values.seconds) };
}

/** What the machine lacks, as a sentence that says what to do; undefined where it lacks nothing. */
function lacking() {
  const machine = available();
  if (!machine.ok) return `${machine.reason}: ${machine.fix}`;
  const missing = Object.keys(packages).filter((program) => find(program) === undefined);
  if (missing.length === 0) return undefined;
  const install = missing.map((program) => packages[program]).join(' ');
  return `${missing.join(', ')} missing: apt-get install --no-install-recommends ${install}`;
}

const median = (values) => {
  const sorted = [...values].sort((left, right) => left - right);
  const middle = sorted.length >>> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};
const rounded = (value, digits = 2) => Number(value.toFixed(digits));

async function measureSetUp(name, seconds) {
  const { routing, start } = setUps[name];
  const network = new Network({ routing });
  const interruption = new Interruption(() => network.close());
  try {
    const { address, daemons, release: letGo } = await start(network);
    try {
      return await measure(network, { address, daemons, seconds });
    } finally {
      letGo?.();
    }
  } finally {
    await network.close();
    interruption.release();
  }
}

async function measureAll({ rounds, seconds }) {
  const names = Object.keys(setUps);
  const runs = Object.fromEntries(names.map((name) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (let turn = 0; turn < names.length; turn += 1) {
      const name = names[(turn + round) % names.length];
      const result = await measureSetUp(name, seconds);
      runs[name].push(result);
      console.error(
        `round ${round + 1} of ${rounds}: ${name.padEnd(13)} ${Math.round(result.megabitsPerSecond)} Mbit/s`,
      );
    }
  }
  return runs;
}

function summarize(runs) {
  const results = Object.fromEntries(
    Object.entries(runs).map(([name, values]) => [
      name,
      Object.fromEntries(
        Object.keys(values[0]).map((key) => {
          const all = values.map((value) => rounded(value[key], 3));
          return [key, { median: rounded(median(all), 3), values: all }];
        }),
      ),
    ]),
  );
  /** The median of the rounds' ratios: both runs of a round met the same machine. */
  const ratio = (ours, other) =>
    rounded(
      median(
        runs[ours].map((value, round) => value.megabitsPerSecond / runs[other][round].megabitsPerSecond),
      ),
      3,
    );
  const ratios = {
    lanVsWireguardGo: ratio('lan', 'wireguard-go'),
    vpnVsWireguardGo: ratio('vpn', 'wireguard-go'),
    lanVsKernel: ratio('lan', 'kernel'),
  };
  const met = ratios.lanVsWireguardGo >= 1;
  return {
    results,
    ratios,
    targets: [{ name: 'lan >= 1.0 x wireguard-go', met, ratio: ratios.lanVsWireguardGo }],
  };
}

const firstLine = (command) => run(command).split('\n')[0].trim();

const machineFacts = () => ({
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: cpus().length,
  kernel: release(),
  node: process.version,
  openssl: process.versions.openssl,
  iperf3: firstLine(['iperf3', '--version']),
  wireguardGo: firstLine(['wireguard-go', '--version']),
});

function table({ rounds, seconds, machine, results, ratios, targets }) {
  const columns = ['', 'Mbit/s (all rounds)', 'daemons’ CPU', 'ping median'];
  const rows = Object.entries(results).map(
    ([name, { megabitsPerSecond, daemonCpuPercent, pingMedianMs }]) => [
      name,
      `${Math.round(megabitsPerSecond.median)} (${megabitsPerSecond.values.map(Math.round).join(' ')})`,
      `${Math.round(daemonCpuPercent.median)} %`,
      `${pingMedianMs.median} ms`,
    ],
  );
  const widths = columns.map((_, column) => Math.max(...[columns, ...rows].map((row) => row[column].length)));
  const line = (row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]))
      .join('   ')
      .trimEnd();
  return [
    `${machine.cores} cores ${machine.cpu}, Linux ${machine.kernel}, Node ${machine.node}, ${machine.wireguardGo}`,
    `medians of ${rounds} rounds; iperf3, one TCP stream, ${seconds} s; 100 % is one core`,
    '',
    line(columns),
    ...rows.map(line),
    '',
    ...Object.entries(ratios).map(([name, ratio]) => `${name}: ${ratio}`),
    ...targets.map(({ name, met }) => `target ${name}: ${met ? 'met' : 'MISSED'}`),
  ].join('\n');
}

async function main() {
  let options;
  try {
    options = readOptions();
  } catch (error) {
    console.error(`${error.message}\n\n${help}`);
    return 2;
  }
  if (options.help) return (console.log(help), 0);
  const lack = lacking();
  if (lack !== undefined) return (console.error(lack), 1);
  const { rounds, seconds } = options;
  const machine = machineFacts();
  const report = { bench: 'e2e', rounds, seconds, machine, ...summarize(await measureAll(options)) };
  console.log(options.json ? JSON.stringify(report, undefined, 2) : `\n${table(report)}`);
  return report.targets.every(({ met }) => met) ? 0 : 1;
}

process.exitCode = await main();
