import type { ChannelParameters, ChannelRole } from '@ngisec/ipsec';
import { application } from './application.ts';
import { checkGateway, gatewaySchema } from './configuration.ts';

const peer = (changes: object = {}): object => ({
  ...{ name: 'gw-b', addresses: ['203.0.113.2', '2001:db8:b::2'], prefixes: ['10.2.0.0/24', 'fd02::/64'] },
  ...changes,
});
const file = (changes: object = {}): object => ({
  ...{ app: 'gateway', name: 'gw-a', keys: 'gw-a.keys.yaml' },
  lan: { interface: 'lan0', prefixes: ['10.1.0.0/24', 'fd01::/64'] },
  wan: { interface: 'wan0', addresses: ['198.51.100.2', '2001:db8:a::2'] },
  peers: [peer()],
  ...changes,
});

function channel(name: string, role: ChannelRole = 'control'): ChannelParameters {
  const sa = { spi: 256, suite: 'aes-128-gcm', keyMaterial: new Uint8Array(20), scope: 'none' } as const;
  return { name, role, peers: [], inbound: sa, outbound: sa };
}
const channels = [channel('host-a'), channel('gw-b')];

const complaints = (
  content: object,
  known = channels,
): { path: readonly (string | number)[]; message: string }[] =>
  checkGateway(gatewaySchema.parse(content), known);

const issuesOf = (content: object): string =>
  (gatewaySchema.safeParse(content).error?.issues ?? []).map(({ message }) => message).join('\n');

describe('a gateway’s configuration', () => {
  test('has defaults for NAT', () => {
    expect(gatewaySchema.parse(file())).toMatchObject({
      nat: { portMin: 1024, portMax: 65535, capacity: 65536 },
      interception: 'auto',
      offload: true,
    });
    expect(gatewaySchema.parse(file({ nat: { portMin: 40000 } })).nat).toEqual({
      portMin: 40000,
      portMax: 65535,
      capacity: 65536,
    });
    expect(complaints(file())).toEqual([]);
  });

  test.each<[string, object, string]>([
    [
      'a WAN address that is none',
      file({ wan: { interface: 'wan0', addresses: ['198.51.100'] } }),
      '"198.51.100" is no IPv4 or IPv6 address',
    ],
    ['no WAN address', file({ wan: { interface: 'wan0', addresses: [] } }), 'Too small'],
    [
      'three WAN addresses',
      file({ wan: { interface: 'wan0', addresses: ['192.0.2.1', '192.0.2.2', '::1'] } }),
      'Too big',
    ],
    [
      'a LAN prefix that is none',
      file({ lan: { interface: 'lan0', prefixes: ['10.1.0.0/24/8'] } }),
      '"10.1.0.0/24/8" is no address or prefix',
    ],
    ['no LAN prefix', file({ lan: { interface: 'lan0', prefixes: [] } }), 'Too small'],
    ['no peers', file({ peers: [] }), 'Too small'],
    [
      'a service at port 0',
      file({ services: [{ protocol: 'tcp', port: 0, host: '10.1.0.2' }] }),
      'Too small',
    ],
    ['port 0', file({ nat: { portMin: 0 } }), 'Too small'],
    ['port 65536', file({ nat: { portMax: 65536 } }), 'Too big'],
    ['half a port', file({ nat: { portMin: 1024.5 } }), 'expected int'],
    ['no room for a binding', file({ nat: { capacity: 0 } }), 'Too small'],
    ['an unknown key', file({ nat: { portsMin: 1 } }), 'Unrecognized key'],
    ['an unknown per-hop behaviour', file({ phb: 'gold' }), 'Invalid option'],
  ])('refuses %s', (_, content, message) => {
    expect(issuesOf(content)).toContain(message);
  });

  const wan = (...addresses: string[]): object => file({ wan: { interface: 'wan0', addresses } });
  const lan = (...prefixes: string[]): object => file({ lan: { interface: 'lan0', prefixes } });
  const peers = (...entries: object[]): object => file({ peers: entries });
  const hidden = peer({ mode: 'n2n', prefixes: [] });
  const four = { addresses: ['203.0.113.2'] };
  test.each<[string, object, string[]]>([
    [
      'two WAN addresses of a family',
      file({ ...wan('198.51.100.2', '198.51.100.3'), peers: [peer({ prefixes: ['10.2.0.0/24'] })] }),
      ['wan.addresses.1: one address a family'],
    ],
    [
      'ports upside down',
      file({ nat: { portMin: 5000, portMax: 4999 } }),
      ['nat.portMin: lies above portMax'],
    ],
    [
      '#17 a peer prefix inside this LAN',
      lan('10.0.0.0/8'),
      ['peers.0.prefixes.0: 10.2.0.0/24 overlaps 10.0.0.0/8 of this LAN'],
    ],
    [
      '#17 this LAN inside a peer prefix',
      peers(peer({ prefixes: ['fd00::/8'] })),
      ['peers.0.prefixes.0: fd00::/8 overlaps fd01::/64 of this LAN'],
    ],
    [
      '#17 one prefix on both sides',
      peers(peer({ prefixes: ['10.2.0.0/24', '10.1.0.0/24'] })),
      ['peers.0.prefixes.1: 10.1.0.0/24 overlaps 10.1.0.0/24 of this LAN'],
    ],
    [
      'two peers with one prefix',
      peers(peer(), peer({ name: 'gw-c', channel: 'gw-b', prefixes: ['10.2.0.128/25'] })),
      ['peers.1.prefixes.0: 10.2.0.128/25 overlaps 10.2.0.0/24 of peer "gw-b"'],
    ],
    [
      'two addresses of a family for a peer',
      peers(peer({ addresses: ['203.0.113.2', '203.0.113.3'], prefixes: ['10.2.0.0/24'] })),
      ['peers.0.addresses.1: one address a family'],
    ],
    [
      'a prefix of a family the peer lacks',
      peers(peer(four)),
      ['peers.0.prefixes.1: fd02::/64 is of a family in which the peer has no WAN address'],
    ],
    [
      'a prefix of a family this gateway lacks',
      wan('198.51.100.2'),
      ['peers.0.prefixes.1: fd02::/64 is of a family in which this gateway has no WAN address'],
    ],
    [
      'a peer without prefixes',
      peers(peer({ prefixes: [] })),
      ['peers.0: mode vpn needs the prefixes behind it'],
    ],
    [
      '#71 prefixes of a peer that hides them',
      peers(peer({ mode: 'n2n', prefixes: ['10.2.0.0/24'] })),
      ['peers.0.prefixes: mode n2n hides the prefixes behind it'],
    ],
    [
      '#75 services nobody can answer, or two can',
      file({
        services: [
          { protocol: 'tcp', port: 443, host: '10.9.0.2' },
          { protocol: 'udp', host: '10.1.0.2' },
          { protocol: 'icmp', port: 7, host: '10.1.0.2' },
          { protocol: 'tcp', port: 443, host: '10.1.0.3' },
          { protocol: 'tcp', port: 443, host: 'fd01::3' },
        ],
      }),
      [
        'services.0.host: 10.9.0.2 is in none of this LAN',
        'services.1: udp needs a port',
        'services.2: icmp has no port',
        'services.3: tcp 443 leads to another host already',
      ],
    ],
    [
      'a peer without a channel',
      peers(peer({ name: 'gw-d' })),
      ['peers.0.name: no channel "gw-d" (did you mean "gw-b"?)'],
    ],
    [
      'a channel the key file lacks',
      peers(peer({ channel: 'uplink' })),
      ['peers.0.channel: no channel "uplink" (known'],
    ],
    ['#17 nothing: network to network prefixes need not be disjoint', peers(hidden), []],
  ])('complains of %s', (_, content, expected) => {
    const said = complaints(content);
    expect(said.map(({ path }) => path.join('.'))).toEqual(expected.map((line) => line.split(': ')[0]));
    said.forEach(({ message }, index) => expect(message).toContain(expected[index]!.split(': ')[1]));
  });

  test('complains of every key that is not for control: a gateway never holds data keys', () => {
    const roles = [channel('gw-b'), channel('host-b', 'data'), channel('host-c', 'both')];
    expect(complaints(file(), roles).map(({ message }) => message)).toEqual([
      'channel "host-b" has role data; a gateway holds control keys only',
      'channel "host-c" has role both; a gateway holds control keys only',
    ]);
    expect(complaints(file(), [channel('gw-b', 'data')]).map(({ message }) => message)).toContain(
      'channel "gw-b" has role data; a gateway holds control keys only',
    );
  });

  test('#86 lets nothing pass in mode tls by default; a rule names a protocol and ports', () => {
    const tlsOf = (tls: object[]): unknown =>
      gatewaySchema.parse(file({ peers: [peer({ tls })] })).peers[0]!.tls;
    expect(gatewaySchema.parse(file()).peers[0]!.tls).toEqual([]);
    expect(
      tlsOf([
        { protocol: 'tcp', ports: 443 },
        { protocol: 'udp', ports: '4433-4500' },
      ]),
    ).toEqual([
      { protocol: 6, ports: { minimum: 443, maximum: 443 } },
      { protocol: 17, ports: { minimum: 4433, maximum: 4500 } },
    ]);
    const stagesOf = (content: object): string[] =>
      Object.keys(application.graph(gatewaySchema.parse(content)).stages);
    expect(stagesOf(file())).not.toContain('tls');
    expect(stagesOf(file({ peers: [peer({ tls: [{ protocol: 'tcp', ports: 443 }] })] }))).toContain('tls');
  });

  test.each<[string, object, string]>([
    ['of a protocol without ports', { protocol: 'icmp', ports: 443 }, 'Invalid option'],
    ['without ports', { protocol: 'tcp' }, 'expected string'],
    ['of ports upside down', { protocol: 'tcp', ports: '5-4' }, 'no port or range'],
  ])('refuses a tls rule %s', (_, rule, message) => {
    expect(issuesOf(file({ peers: [peer({ tls: [rule] })] }))).toContain(message);
  });

  test('asks the kernel for its LANs, its WAN addresses and its peers', () => {
    expect(application.interception(gatewaySchema.parse(file()), [])).toEqual({
      ...{ kind: 'gateway', name: 'gw-a' },
      lan: { interface: 'lan0', prefixes: ['10.1.0.0/24', 'fd01::/64'] },
      wan: { interface: 'wan0', addresses: ['198.51.100.2', '2001:db8:a::2'] },
      peers: [{ addresses: ['203.0.113.2', '2001:db8:b::2'], prefixes: ['10.2.0.0/24', 'fd02::/64'] }],
    });
  });
});
