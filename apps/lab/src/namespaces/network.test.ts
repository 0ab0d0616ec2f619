import { sites } from '../topology.ts';
import { available } from './availability.ts';
import { run } from './command.ts';
import { difference, machineState } from './machine-state.ts';
import { Network } from './network.ts';

const machine = available();
const withNamespaces = machine.ok || process.env['CI'] ? test : test.skip;
if (!machine.ok) process.stderr.write(`skipping network.test.ts: ${machine.reason}\n`);

const reaches = (network: Network, address: string): boolean => {
  try {
    network.run('host-a', ['ping', '-n', '-c', '1', '-W', '1', address]);
    return true;
  } catch {
    return false;
  }
};

withNamespaces(
  'routers forward between private prefixes only where told to, and nothing stays behind',
  async () => {
    for (const routing of ['private', 'public'] as const) {
      const network = new Network({ routing });
      try {
        expect(sites.b.host.map((address) => reaches(network, address))).toEqual(
          Array(2).fill(routing === 'private'),
        );
        expect(sites.a.lan.map((address) => reaches(network, address))).toEqual([true, true]);
      } finally {
        await network.close();
      }
      expect(run(['ip', 'netns', 'list'])).not.toContain(network.namespaces['host-a']);
    }
  },
);

withNamespaces(
  'the state of a namespace tells a rule, a route, a filter and a sysctl that were left',
  async () => {
    const network = new Network({ routing: 'public' });
    try {
      const before = machineState(network, 'host-a');
      expect(difference(before, machineState(network, 'host-a'))).toEqual([]);
      network.ip('host-a', 'rule add pref 77 to 192.0.2.0/24 lookup 77');
      network.ip('host-a', '-6 route add unreachable default metric 5 table 77');
      network.run('host-a', ['tc', 'qdisc', 'add', 'dev', 'lan0', 'clsact']);
      network.run('host-a', ['sh', '-c', 'echo 2 > /proc/sys/net/ipv4/conf/lan0/rp_filter']);
      const changes = difference(before, machineState(network, 'host-a'));
      for (const what of [
        /^\+ rule -4 77:/,
        /^\+ route -6 unreachable/,
        /^\+ tc lan0 qdisc clsact/,
        /rp_filter 2$/,
      ]) {
        expect(changes.some((line) => what.test(line))).toBe(true);
      }
    } finally {
      await network.close();
    }
  },
);

withNamespaces('a program that ends tells what it said; one that will not end is made to', async () => {
  const network = new Network({ routing: 'public' });
  try {
    const failing = network.start('inet', ['sh', '-c', 'echo some trouble >&2; exit 3']);
    await expect(failing.line((line) => line === 'never')).rejects.toThrow('some trouble');
    expect(await failing.exited).toEqual({ code: 3, signal: null });
    const stubborn = network.start('inet', [
      'sh',
      '-c',
      'trap "" TERM; echo ready; while :; do sleep 0.1; done',
    ]);
    await stubborn.line((line) => line === 'ready');
    expect(await stubborn.stop('SIGTERM', 300)).toEqual({ code: null, signal: 'SIGKILL' });
  } finally {
    await network.close();
  }
});
