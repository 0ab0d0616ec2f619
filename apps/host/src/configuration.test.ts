import type { ChannelParameters, ChannelRole, Scope } from '@ngisec/ipsec';
import { parsePrefix } from '@ngisec/wire';
import { addressTexts, checkHost, hostSchema } from './configuration.ts';
import { application } from './application.ts';

type Rule = Record<string, unknown>;

const file = (changes: Record<string, unknown> = {}): Record<string, unknown> => ({
  ...{
    app: 'host',
    name: 'host-a',
    keys: 'host-a.keys.yaml',
    interface: 'lan0',
    addresses: ['10.1.0.2', 'fd01::2'],
  },
  policy: [{ name: 'site', mode: 'vpn', remote: ['10.2.0.0/24', 'fd02::/64'] }],
  ...changes,
});
const rule = (changes: Rule): Record<string, unknown> =>
  file({ policy: [{ name: 'site', mode: 'vpn', remote: ['10.2.0.0/24'], ...changes }] });

const channel = (role: ChannelRole, ...peers: string[]): ChannelParameters => scoped('full', role, ...peers);

function scoped(scope: Scope, role: ChannelRole, ...peers: string[]): ChannelParameters {
  const sa = { spi: 256, suite: 'aes-128-gcm', keyMaterial: new Uint8Array(20), scope } as const;
  return {
    name: `${role}-channel`,
    role,
    peers: peers.map((text) => parsePrefix(text)!),
    inbound: sa,
    outbound: sa,
  };
}
const vpnChannels = [channel('control', '10.2.0.0/24', 'fd02::/64'), channel('data', '10.2.0.2', 'fd02::2')];

const complaints = (
  content: object,
  channels = vpnChannels,
): { path: readonly (string | number)[]; message: string }[] =>
  checkHost(hostSchema.parse(content), channels);

const issuesOf = (content: object): string =>
  (hostSchema.safeParse(content).error?.issues ?? []).map(({ message }) => message).join('\n');

describe('a host’s configuration', () => {
  test('has defaults, and addresses as octets', () => {
    const read = hostSchema.parse(file());
    expect(read).toMatchObject({ interception: 'auto', offload: true });
    expect(read.phb).toBeUndefined();
    expect(addressTexts(read)).toEqual(['10.1.0.2', 'fd01::2']);
    expect(complaints(file())).toEqual([]);
  });

  test('selects by protocol and ports', () => {
    const [read] = hostSchema.parse(
      rule({ protocol: 'udp', localPorts: '5000-5999', remotePorts: '443' }),
    ).policy;
    expect(read).toMatchObject({
      protocol: 17,
      localPorts: { minimum: 5000, maximum: 5999 },
      remotePorts: { minimum: 443, maximum: 443 },
    });
  });

  test.each<[string, Record<string, unknown>, string]>([
    ['a name that is none', file({ name: 'Host A' }), 'lower-case letters, digits and hyphens'],
    [
      'an address that is none',
      file({ addresses: ['10.1.0.256'] }),
      '"10.1.0.256" is no IPv4 or IPv6 address',
    ],
    ['no address', file({ addresses: [] }), 'Too small'],
    ['no interface', file({ interface: '' }), 'Too small'],
    ['no policy', file({ policy: [] }), 'Too small'],
    ['a prefix that is none', rule({ remote: ['10.2.0.0/33'] }), '"10.2.0.0/33" is no address or prefix'],
    ['a rule without remote ends', rule({ remote: [] }), 'Too small'],
    ['an unknown mode', rule({ mode: 'tunnel' }), 'Invalid option'],
    ['an unknown protocol', rule({ protocol: 'sctp' }), 'Invalid option'],
    ['an unknown key', rule({ remotes: [] }), 'Unrecognized key'],
    ['an unknown per-hop behaviour', file({ phb: 'gold' }), 'Invalid option'],
    ['ports in words', rule({ remotePorts: 'https' }), '"https" is no port or range of ports'],
    ['a port beyond 65535', rule({ remotePorts: '65536' }), 'is no port or range of ports'],
    ['a range that ends beyond 65535', rule({ localPorts: '5000-70000' }), 'is no port or range of ports'],
    ['a range upside down', rule({ localPorts: '5999-5000' }), 'is no port or range of ports'],
  ])('refuses %s', (_, content, message) => {
    expect(issuesOf(content)).toContain(message);
  });

  const onlyFour = file({
    addresses: ['10.1.0.2'],
    policy: [{ name: 'six', mode: 'bypass', remote: ['fd02::/64'] }],
  });
  const elsewhere = channel('data', '10.3.0.0/24', 'fd02::/64');
  test.each<[string, Record<string, unknown>, ChannelParameters[], string[]]>([
    [
      'the host’s own address',
      rule({ remote: ['10.9.0.0/24', '10.1.0.0/24'], mode: 'bypass' }),
      [],
      ['policy.0.remote.1: own address'],
    ],
    [
      'a rule for everything, which holds it too',
      rule({ remote: ['::/0'], mode: 'bypass' }),
      [],
      ['policy.0.remote.0: own address'],
    ],
    [
      'a family without an address',
      onlyFour,
      [],
      ['policy.0.remote.0: is of a family in which this host has no address'],
    ],
    [
      'vpn without a data channel',
      file(),
      [vpnChannels[0]!],
      ['policy.0.remote.0: role data to 10.2.0.0/24', 'policy.0.remote.1: role data to fd02::/64'],
    ],
    [
      'vpn without a control channel',
      rule({}),
      [vpnChannels[1]!],
      ['policy.0.remote.0: role control to 10.2.0.0/24'],
    ],
    [
      'vpn with one channel for both',
      rule({}),
      [vpnChannels[1]!, channel('both', '10.2.0.0/24')],
      ['policy.0.remote.0: role control'],
    ],
    [
      'lan without a channel for both',
      rule({ mode: 'lan' }),
      vpnChannels,
      ['policy.0.remote.0: mode lan needs a channel of role both to 10.2.0.0/24'],
    ],
    [
      '#71 n2n with data whose addresses the ICV would cover',
      rule({ mode: 'n2n', remote: ['203.0.113.2'] }),
      [scoped('full', 'control', '203.0.113.2'), scoped('full', 'data', '203.0.113.2')],
      ['policy.0.remote.0: mode n2n needs scope ports on channel "data-channel", not full'],
    ],
    [
      '#80 tcpsec with control headers that NATs may not change',
      rule({ mode: 'tcpsec', remote: ['203.0.113.2'] }),
      [scoped('full', 'control', '203.0.113.2'), scoped('ports', 'data', '203.0.113.2')],
      ['policy.0.remote.0: mode tcpsec needs scope none on channel "control-channel", not full'],
    ],
    [
      'a channel that the key file lacks',
      rule({ channels: ['data-chanel'] }),
      vpnChannels,
      ['policy.0.channels.0: no channel "data-chanel" (did you mean "data-channel"?)'],
    ],
    [
      'rules that leave out a channel they need',
      rule({ channels: ['data-channel'] }),
      vpnChannels,
      ['policy.0.remote.0: role control'],
    ],
    [
      'channels to other peers only',
      rule({}),
      [vpnChannels[0]!, elsewhere],
      ['policy.0.remote.0: role data'],
    ],
    [
      'channels to one of two families only',
      file(),
      [vpnChannels[0]!, elsewhere],
      ['policy.0.remote.0: role data'],
    ],
  ])('complains of %s', (_, content, channels, expected) => {
    const said = complaints(content, channels);
    expect(said.map(({ path }) => path.join('.'))).toEqual(expected.map((line) => line.split(': ')[0]));
    said.forEach(({ message }, index) => expect(message).toContain(expected[index]!.split(': ')[1]));
  });

  test('complains of nothing where rules only bypass or discard, whatever channels there are', () => {
    expect(complaints(rule({ mode: 'bypass' }), [])).toEqual([]);
    expect(complaints(rule({ mode: 'discard' }), [])).toEqual([]);
    expect(complaints(rule({ mode: 'lan' }), [channel('both', '10.2.0.7')])).toEqual([]);
  });

  test('#80 complains of nothing where scopes fit the mode; tcpsec leaves room for a second TCP header', () => {
    const content = rule({ mode: 'tcpsec', remote: ['203.0.113.2'] });
    const channels = [scoped('none', 'control', '203.0.113.2'), scoped('ports', 'data', '203.0.113.2')];
    expect(complaints(content, channels)).toEqual([]);
    expect(application.interception(hostSchema.parse(content), channels)).toMatchObject({
      overheadBytes: 89,
    });
  });

  test('says everything at once', () => {
    const content = file({
      policy: [
        { name: 'own', mode: 'lan', remote: ['10.1.0.0/24'] },
        { name: 'far', mode: 'vpn', remote: ['10.2.0.0/24'] },
      ],
    });
    expect(complaints(content, []).map(({ path }) => path.join('.'))).toEqual([
      'policy.0.remote.0',
      'policy.0.remote.0',
      'policy.1.remote.0',
      'policy.1.remote.0',
    ]);
  });

  test('asks the kernel for its peers’ packets, each prefix once', () => {
    const read = hostSchema.parse(
      file({
        policy: [
          { name: 'web', mode: 'bypass', remote: ['10.2.0.0/24'], protocol: 'tcp', remotePorts: '80' },
          { name: 'site', mode: 'vpn', remote: ['10.2.0.0/24', 'fd02::/64'] },
        ],
      }),
    );
    expect(application.interception(read, vpnChannels)).toEqual({
      ...{ kind: 'host', name: 'host-a', interface: 'lan0', addresses: ['10.1.0.2', 'fd01::2'] },
      ...{ peers: ['10.2.0.0/24', 'fd02::/64'], overheadBytes: 29 },
    });
  });
});
