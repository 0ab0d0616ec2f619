import { complaintOf, exchange, NODE, Workbench } from '../test/workbench.ts';

/** Behind a line of the configuration file. */
const LAN = 'interface: lan0';

describe('a mistake in the configuration file is named in its place, with a way out', () => {
  test.each([
    [
      'no YAML',
      '[198.51.100.0/24]',
      '[198.51.100.0/24',
      '7:1: not valid YAML: Flow sequence in block collection must be sufficiently indented and end with a ]',
    ],
    ['a key twice', LAN, 'name: eve', '4:1: not valid YAML: Map keys must be unique'],
    [
      'an alias without its anchor',
      LAN,
      'interface: *lan',
      '1:1: not valid YAML: Unresolved alias (the anchor must be set before the alias): lan',
    ],
    ['an unknown key', LAN, `${LAN}\nofload: true`, '5:1: unknown key "ofload" (did you mean "offload"?)'],
    [
      'an unknown key, like none',
      LAN,
      `${LAN}\nzebra: 1`,
      '5:1: unknown key "zebra" (known: app, name, keys, interception, offload, packets, interface, addresses, remote, limits)',
    ],
    [
      'an unknown key of an inner map',
      LAN,
      `${LAN}\nlimits:\n  packet: 5`,
      '6:3: unknown key "packet" (did you mean "packets"?)',
    ],
    ['a key that is missing', `${LAN}\n`, '', '1:1: "interface" is missing'],
    [
      'no address',
      '192.0.2.1',
      '192.0.2.256',
      '5:13: addresses[0]: "192.0.2.256" is no IPv4 or IPv6 address; write 192.0.2.1 or 2001:db8::1',
    ],
    [
      'a prefix longer than an address',
      '198.51.100.0/24',
      '198.51.100.0/33',
      '6:10: remote[0]: "198.51.100.0/33" is no address or prefix; write 10.2.0.0/24 or fd02::/64',
    ],
    [
      'an IPv4 prefix with bits set behind its length',
      '198.51.100.0/24',
      '198.51.100.7/22',
      '6:10: remote[0]: "198.51.100.7/22" has bits set behind its length; write 198.51.100.0/22',
    ],
    [
      'an IPv6 prefix with bits set behind its length',
      '198.51.100.0/24',
      "198.51.100.7, '2001:db8:ffff::1/35'",
      '6:24: remote[1]: "2001:db8:ffff::1/35" has bits set behind its length; write 2001:db8:e000::/35',
    ],
    [
      'text for a list',
      "[192.0.2.1, '2001:db8::1']",
      '192.0.2.1',
      '5:12: addresses: must be a list; put it in [ ]',
    ],
    ['a number for text', 'lan0', '7', '4:12: interface: must be text; put it in quotes'],
    ['a list for text', 'lan0', '[lan0]', '4:12: interface: must be text, not a list'],
    ['nothing for text', 'lan0', '', '4:12: interface: must be text, and nothing is there'],
    ['empty text', 'lan0', "''", '4:12: interface: must not be empty'],
    ['an empty list', '[198.51.100.0/24]', '[]', '6:9: remote: must not be empty'],
    [
      'text for a number',
      LAN,
      `${LAN}\nlimits: { packets: many }`,
      '5:20: limits.packets: must be a number, not text',
    ],
    [
      'a fraction for a whole number',
      LAN,
      `${LAN}\nlimits: { packets: 1.5 }`,
      '5:20: limits.packets: must be a whole number',
    ],
    ['a number too small', LAN, `${LAN}\nlimits: { packets: 0 }`, '5:20: limits.packets: must be at least 1'],
    [
      'text for true or false',
      LAN,
      `${LAN}\noffload: 'yes'`,
      '5:10: offload: must be true or false, not text',
    ],
    [
      'none of the choices',
      LAN,
      `${LAN}\ninterception: rule`,
      '5:15: interception: "rule" is not one of auto, tc, rules (did you mean "rules"?)',
    ],
    [
      'a name of other characters',
      'alice\n',
      'Alice\n',
      '2:7: name: must be lower-case letters, digits and hyphens, at most 31 of them',
    ],
    [
      'an unknown app',
      'relay',
      'hots',
      '1:6: app: no application "hots" (did you mean "host"?), nor a package that exports one',
    ],
    ['no app', 'app: relay\n', '', '1:1: "app" is missing'],
    ['a list for the whole', NODE, '- app', '1:1: alice.yaml: must be a map of keys, not a list'],
    ['an empty file', NODE, '', '1:1: alice.yaml: must be a map of keys, and nothing is there'],
  ])('%s', async (_, passage, other, said) => {
    expect(await complaintOf({ node: exchange(NODE, passage, other) })).toBe(`exit 2\nalice.yaml:${said}`);
  });

  test('every mistake is named at once', async () => {
    const node = exchange(exchange(NODE, 'addresses:', 'adresses:'), '/24', '/33');
    expect((await complaintOf({ node })).split('\n')).toEqual([
      'exit 2',
      'alice.yaml:1:1: "addresses" is missing',
      'alice.yaml:6:10: remote[0]: "198.51.100.0/33" is no address or prefix; write 10.2.0.0/24 or fd02::/64',
      'alice.yaml:5:1: unknown key "adresses" (did you mean "addresses"?)',
    ]);
  });

  test('a file that is not there', async () => {
    const bench = new Workbench();
    const { code, out, err } = await bench.run(['check', `${bench.directory}/bob.yaml`]);
    expect([code, out, err]).toEqual([2, '', `${bench.directory}/bob.yaml:1:1: there is no such file`]);
    bench.close();
  });
});
