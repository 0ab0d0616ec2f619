import { importApplication, ngisec } from '@ngisec/runtime';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { application } from './application.ts';

/** Lines 1 to 12. */
const HOST = `app: host
name: alice
keys: alice.keys.yaml
interface: eth0
addresses: [10.1.0.2, 'fd01::2']
policy:
  - name: far-site
    mode: vpn
    remote: [10.2.0.0/24, 'fd02::/64']
  - name: web
    mode: bypass
    remote: [192.0.2.0/24]
`;

const channel = (name: string, role: string, spi: number, peers: string): string => `  - name: ${name}
    role: ${role}
    peers: [${peers}]
    inbound: { spi: ${spi}, key: ${'a'.repeat(36)}${spi} }
    outbound: { spi: ${spi + 1}, key: ${'b'.repeat(36)}${spi} }
`;
const CONTROL = channel('gateway', 'control', 4096, "10.2.0.0/24, 'fd02::/64'");
const DATA = channel('bob', 'data', 4200, "10.2.0.2, 'fd02::2'");
const KEYS = `channels:\n${CONTROL}${DATA}`;

function exchange(text: string, passage: string, other: string): string {
  if (text.split(passage).length !== 2) throw new Error(`"${passage}" is not in the text exactly once`);
  return text.replace(passage, () => other);
}

/** Exit code and output of a command about a node, without the directory. */
async function run(argv: readonly string[], host: string, keys: string): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'ngisec-host-'));
  try {
    writeFileSync(join(directory, 'alice.yaml'), host);
    writeFileSync(join(directory, 'alice.keys.yaml'), keys, { mode: 0o600 });
    const said: string[] = [];
    const note = (text: string): void => void said.push(text);
    const code = await ngisec([...argv, join(directory, 'alice.yaml')], { out: note, err: note });
    return [`exit ${code}`, ...said].join('\n').replaceAll(`${directory}/`, '');
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const check = (host: string, keys = KEYS): Promise<string> => run(['check'], host, keys);

describe('a host', () => {
  test('is found by its short name, and its file is right', async () => {
    expect(await importApplication('host')).toBe(application);
    expect(await check(HOST)).toBe('exit 0\nalice.yaml: ok');
  });

  test('#32 opens data packets: check --graph shows both seals and the one opening', async () => {
    const [, , ...links] = (await run(['check', '--graph'], HOST, KEYS)).split('\n');
    expect(links).toContain('  flows.control -> control-seal.in');
    expect(links).toContain('  flows.data -> data-seal.in');
    expect(links).toContain('  open.out -> flows.inbound');
    expect(links.filter((link) => link.endsWith('-> open.in'))).toHaveLength(1);
  });

  test('marks a per-hop behaviour where one is asked for', async () => {
    const [, , ...links] = (await run(['check', '--graph'], `${HOST}phb: ef\n`, KEYS)).split('\n');
    expect(links).toContain('  data-seal.out -> mark.in');
  });
});

describe('a mistake in a host’s files is named in its place, with a way out', () => {
  test.each([
    [
      'unknown mode',
      'mode: vpn',
      'mode: vnp',
      '8:11: policy[0].mode: "vnp" is not one of lan, vpn, n2n, tcpsec, bypass, discard (did you mean "vpn"?)',
    ],
    [
      'misspelt key',
      'addresses:',
      'adresses:',
      '1:1: "addresses" is missing\nalice.yaml:5:1: unknown key "adresses" (did you mean "addresses"?)',
    ],
    [
      'misspelt key of a rule',
      'name: web',
      'name: web\n    port: 80',
      '11:5: unknown key "port" (known: name, mode, remote, protocol, localPorts, remotePorts, channels)',
    ],
    ['key of a rule that is missing', '    mode: bypass\n', '', '10:5: "mode" is missing in policy[1]'],
    [
      'unknown app',
      'app: host',
      'app: hots',
      '1:6: app: no application "hots" (did you mean "host"?), nor a package that exports one',
    ],
    [
      'unknown protocol',
      'name: web',
      'name: web\n    protocol: upd',
      '11:15: policy[1].protocol: "upd" is not one of icmp, tcp, udp (did you mean "udp"?)',
    ],
    [
      'no port',
      'name: web',
      'name: web\n    remotePorts: http',
      '11:18: policy[1].remotePorts: "http" is no port or range of ports; write 443 or 5000-5999',
    ],
    [
      'range of ports backwards',
      'name: web',
      'name: web\n    localPorts: 5999-5000',
      '11:17: policy[1].localPorts: "5999-5000" is no port or range of ports; write 443 or 5000-5999',
    ],
    [
      'port too large, a number to YAML',
      'name: web',
      'name: web\n    remotePorts: 70000',
      '11:18: policy[1].remotePorts: "70000" is no port or range of ports; write 443 or 5000-5999',
    ],
    [
      'own address inside a remote prefix',
      '10.2.0.0/24',
      '10.0.0.0/8',
      `9:14: rule "far-site": 10.0.0.0/8 holds this host's own address; name the peers' addresses only`,
    ],
    [
      'remote prefix of a family in which the host has no address',
      "10.1.0.2, 'fd01::2'",
      '10.1.0.2',
      '9:27: rule "far-site": fd02::/64 is of a family in which this host has no address',
    ],
    [
      'remote prefix that no channel reaches',
      '10.2.0.0/24',
      '10.3.0.0/24',
      '9:14: rule "far-site": mode vpn needs a channel of role data to 10.3.0.0/24; add one to the key file\n' +
        'alice.yaml:9:14: rule "far-site": mode vpn needs a channel of role control to 10.3.0.0/24; ' +
        'add one to the key file',
    ],
    [
      'unknown per-hop behaviour',
      'policy:',
      'phb: ev\npolicy:',
      '6:6: phb: "ev" is not one of default, ef, voice-admit, af11, af12, af13, af21, af22, af23, af31, af32, af33, ' +
        'af41, af42, af43, cs1, cs2, cs3, cs4, cs5, cs6, cs7 (did you mean "ef"?)',
    ],
  ])('%s', async (_, passage, other, said) => {
    const complaint = await check(exchange(HOST, passage, other));
    expect(complaint).toBe(`exit 2\nalice.yaml:${said}`);
  });

  test.each([
    [
      '#43 mode vpn without a control channel',
      'vpn',
      DATA,
      [
        '9:14: rule "far-site": mode vpn needs a channel of role control to 10.2.0.0/24; add one to the key file',
        '9:27: rule "far-site": mode vpn needs a channel of role control to fd02::/64; add one to the key file',
      ],
    ],
    [
      '#43 mode vpn without a data channel to one family',
      'vpn',
      CONTROL + channel('bob', 'data', 4200, '10.2.0.2'),
      ['9:27: rule "far-site": mode vpn needs a channel of role data to fd02::/64; add one to the key file'],
    ],
    [
      'mode lan with the channels of mode vpn',
      'lan',
      CONTROL + DATA,
      [
        '9:14: rule "far-site": mode lan needs a channel of role both to 10.2.0.0/24; add one to the key file',
        '9:27: rule "far-site": mode lan needs a channel of role both to fd02::/64; add one to the key file',
      ],
    ],
  ])('%s', async (_, mode, channels, said) => {
    const complaint = await check(exchange(HOST, 'mode: vpn', `mode: ${mode}`), `channels:\n${channels}`);
    expect(complaint.split('\n')).toEqual(['exit 2', ...said.map((line) => `alice.yaml:${line}`)]);
  });

  test('a lone port may be written as a number', async () => {
    expect(
      await check(exchange(HOST, 'name: web', 'name: web\n    protocol: tcp\n    remotePorts: 443')),
    ).toBe('exit 0\nalice.yaml: ok');
  });
});
