import { importApplication, ngisec } from '@ngisec/runtime';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { application } from './application.ts';

/** Lines 1 to 13. */
const GATEWAY = `app: gateway
name: gw-a
keys: gw-a.keys.yaml
lan:
  interface: lan0
  prefixes: [10.1.0.0/24, 'fd01::/64']
wan:
  interface: wan0
  addresses: [198.51.100.2, '2001:db8:a::2']
peers:
  - name: gw-b
    addresses: [203.0.113.2, '2001:db8:b::2']
    prefixes: [10.2.0.0/24, 'fd02::/64']
`;

/** Five lines a channel, from line 2 on. */
const channel = (name: string, role: string, spi: number, peers: string): string => `  - name: ${name}
    role: ${role}
    peers: [${peers}]
    inbound: { spi: ${spi}, key: ${'a'.repeat(36)}${spi} }
    outbound: { spi: ${spi + 1}, key: ${'b'.repeat(36)}${spi} }
`;
const LAN_SIDE = channel('alice', 'control', 4096, "10.1.0.2, 'fd01::2'");
const WAN_SIDE = channel('gw-b', 'control', 4200, "203.0.113.2, '2001:db8:b::2'");
const KEYS = `channels:\n${LAN_SIDE}${WAN_SIDE}`;

function exchange(text: string, passage: string, other: string): string {
  if (text.split(passage).length !== 2) throw new Error(`"${passage}" is not in the text exactly once`);
  return text.replace(passage, () => other);
}

/** Exit code and output of a command about a node, without the directory. */
async function run(argv: readonly string[], gateway: string, keys: string): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'ngisec-gateway-'));
  try {
    writeFileSync(join(directory, 'gw-a.yaml'), gateway);
    writeFileSync(join(directory, 'gw-a.keys.yaml'), keys, { mode: 0o600 });
    const said: string[] = [];
    const note = (text: string): void => void said.push(text);
    const code = await ngisec([...argv, join(directory, 'gw-a.yaml')], { out: note, err: note });
    return [`exit ${code}`, ...said].join('\n').replaceAll(`${directory}/`, '');
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const check = (gateway: string, keys = KEYS): Promise<string> => run(['check'], gateway, keys);

describe('a gateway', () => {
  test('is found by its short name, and its file is right', async () => {
    expect(await importApplication('gateway')).toBe(application);
    expect(await check(GATEWAY)).toBe('exit 0\ngw-a.yaml: ok');
  });

  test('#60 data packets meet NAT and no stage that holds a key', async () => {
    const [, ...lines] = (await run(['check', '--graph'], GATEWAY, KEYS)).split('\n');
    const data = lines.filter((line) => /\.data\b/.test(line));
    expect(data).toEqual([
      '  from-lan.data -> nat.data',
      '  nat.data -> device.outbound',
      '  from-wan.data -> reverse-nat.data',
      '  reverse-nat.data -> device.inbound',
    ]);
  });

  test('marks a per-hop behaviour where one is asked for', async () => {
    const graph = await run(['check', '--graph'], `${GATEWAY}phb: cs1\n`, KEYS);
    expect(graph).toContain('\n  nat.data -> mark.in\n');
    expect(graph).toContain('\n  wan-seal.out -> mark.in\n');
  });

  test('#96 a detector sees what comes in before anything is dropped, where one is asked for', async () => {
    const graph = await run(['check', '--graph'], `${GATEWAY}detect: { raisePerSecond: 600 }\n`, KEYS);
    expect(graph).toContain('\n  check.out -> detect.in\n');
    expect(graph).toContain('\n  detect.out -> direction.in\n');
    expect(graph).not.toContain('check.out -> direction.in');
  });

  test('#95 a monitor stands on the LAN side, both ways, where one is asked for', async () => {
    const [, , ...links] = (await run(['check', '--graph'], `${GATEWAY}monitor: {}\n`, KEYS)).split('\n');
    expect(links.filter((link) => /monitor|device\.inbound/.test(link)).sort()).toEqual([
      '  direction.inside -> monitor.ingress',
      '  lan-seal.out -> monitor.egress',
      '  monitor.egress -> device.inbound',
      '  monitor.ingress -> from-lan.in',
      '  reverse-nat.data -> monitor.egress',
    ]);
  });

  test('a peer may name its channel', async () => {
    const named = exchange(GATEWAY, 'name: gw-b', 'name: branch\n    channel: gw-b');
    expect(await check(named)).toBe('exit 0\ngw-a.yaml: ok');
  });
});

describe('a mistake in a gateway’s files is named in its place, with a way out', () => {
  test.each([
    [
      '#17 a peer’s prefix overlaps the LAN',
      '10.2.0.0/24',
      '10.1.0.128/25',
      ['13:16: peer "gw-b": 10.1.0.128/25 overlaps 10.1.0.0/24 of this LAN; vpn needs disjoint prefixes'],
    ],
    [
      '#17 a peer’s prefix holds the LAN',
      'fd02::/64',
      'fd00::/8',
      ['13:29: peer "gw-b": fd00::/8 overlaps fd01::/64 of this LAN; vpn needs disjoint prefixes'],
    ],
    [
      '#17 two peers’ prefixes overlap',
      'peers:\n',
      'peers:\n  - name: gw-c\n    channel: gw-b\n    addresses: [203.0.113.3]\n    prefixes: [10.2.0.0/16]\n',
      ['17:16: peer "gw-b": 10.2.0.0/24 overlaps 10.2.0.0/16 of peer "gw-c"; vpn needs disjoint prefixes'],
    ],
    [
      'a peer without a channel in the key file',
      'name: gw-b',
      'name: gw-d',
      ['11:11: peer "gw-d": the key file has no channel "gw-d" (did you mean "gw-b"?)'],
    ],
    [
      'a channel that the key file does not have',
      'name: gw-b',
      'name: gw-b\n    channel: berlin',
      ['12:14: peer "gw-b": the key file has no channel "berlin" (known: alice, gw-b)'],
    ],
    [
      'portMin above portMax',
      'peers:\n',
      'nat: { portMin: 5000, portMax: 4000 }\npeers:\n',
      ['10:17: nat: portMin 5000 lies above portMax 4000'],
    ],
    [
      'portMax below the default of portMin',
      'peers:\n',
      'nat: { portMax: 80 }\npeers:\n',
      ['10:6: nat: portMin 1024 lies above portMax 80'],
    ],
    [
      'a port too large',
      'peers:\n',
      'nat: { portMax: 65536 }\npeers:\n',
      ['10:17: nat.portMax: must be at most 65535'],
    ],
    [
      'a misspelt key of nat',
      'peers:\n',
      'nat: { portMinimum: 80 }\npeers:\n',
      ['10:8: unknown key "portMinimum" (known: portMin, portMax, capacity)'],
    ],
    [
      'a misspelt key of lan',
      'prefixes: [10.1',
      'prefix: [10.1',
      ['5:3: "prefixes" is missing in lan', '6:3: unknown key "prefix" (did you mean "prefixes"?)'],
    ],
    [
      'two WAN addresses of one family',
      "'2001:db8:a::2'",
      '198.51.100.3',
      [
        '9:29: wan: one address a family; the second is of the same',
        '13:29: peer "gw-b": fd02::/64 is of a family in which this gateway has no WAN address',
      ],
    ],
    [
      'three WAN addresses',
      "'2001:db8:a::2'",
      "'2001:db8:a::2', 198.51.100.3",
      ['9:14: wan.addresses: must have at most 2 entries'],
    ],
    [
      'a prefix behind a peer of a family in which the peer has no address',
      "203.0.113.2, '2001:db8:b::2'",
      '203.0.113.2',
      ['13:29: peer "gw-b": fd02::/64 is of a family in which the peer has no WAN address'],
    ],
    [
      'a record file by a relative path',
      'peers:\n',
      'monitor: { file: flows.jsonl }\npeers:\n',
      ['10:18: monitor.file: must be an absolute path, such as /var/log/ngisec/gw-a.jsonl'],
    ],
    [
      'a record file in a directory that is not there',
      'peers:\n',
      'detect: { file: /no/such/alarms.jsonl }\npeers:\n',
      ['10:17: detect: there is no directory /no/such'],
    ],
    [
      'a detector that would clear above the rate that raises',
      'peers:\n',
      'detect: { clearPercent: 101 }\npeers:\n',
      ['10:25: detect.clearPercent: must be at most 100'],
    ],
    [
      'a misspelt key of monitor',
      'peers:\n',
      'monitor: { idelMs: 100 }\npeers:\n',
      ['10:12: unknown key "idelMs" (did you mean "idleMs"?)'],
    ],
    ['no peers', GATEWAY.slice(GATEWAY.indexOf('\n  - name')), ' []\n', ['10:8: peers: must not be empty']],
  ])('%s', async (_, passage, other, said) => {
    const complaint = await check(exchange(GATEWAY, passage, other));
    expect(complaint.split('\n')).toEqual(['exit 2', ...said.map((line) => `gw-a.yaml:${line}`)]);
  });

  test.each([
    ['data', '8:11: channel "gw-b" has role data; a gateway holds control keys only'],
    ['both', '8:11: channel "gw-b" has role both; a gateway holds control keys only'],
  ])('#32 a channel of role %s', async (role, said) => {
    const keys = `channels:\n${LAN_SIDE}${exchange(WAN_SIDE, 'role: control', `role: ${role}`)}`;
    expect(await check(GATEWAY, keys)).toBe(`exit 2\ngw-a.keys.yaml:${said}`);
  });

  test('#32 a data channel that no peer names', async () => {
    const keys = KEYS + channel('alice-to-bob', 'data', 4300, '10.2.0.2');
    expect(await check(GATEWAY, keys)).toBe(
      'exit 2\ngw-a.keys.yaml:13:11: channel "alice-to-bob" has role data; a gateway holds control keys only',
    );
  });
});
