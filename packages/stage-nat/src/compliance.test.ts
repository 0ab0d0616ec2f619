import { VirtualClock, type PacketPool } from '@ngisec/core';
import { nextHeaders } from '@ngisec/ipsec';
import { buildEcho, buildTcp, buildUdp, preparePacket, stageCompliance } from '@ngisec/testkit';
import { ip, tcp } from '@ngisec/wire';
import { GatewayBench } from '../test/two-gateways.ts';
import { duplicator } from './duplicator.ts';
import { nat } from './nat.ts';
import { reverseNat } from './reverse-nat.ts';
import { tlsClassifier } from './tls-classifier.ts';

const setting = { prepare: preparePacket, clock: new VirtualClock() };
const tlsRules = [ip.TCP, ip.UDP].map((protocol) => ({ protocol, ports: { minimum: 1, maximum: 79 } }));
const gateway = (side: 'a' | 'b'): GatewayBench =>
  new GatewayBench(side, setting, { capacity: 64, portMin: 40000, portMax: 40003 }, { tls: tlsRules });
const [a, b] = [gateway('a'), gateway('b')];

const payload = new Uint8Array(60);
const validPackets = [
  { src: '10.1.0.2', dst: '10.2.0.2' },
  { src: 'fd01::2', dst: 'fd02::2' },
  { src: '10.9.0.2', dst: '10.2.0.2' },
].flatMap((ends) => [
  buildTcp({ ...ends, sport: 40000, dport: 80, flags: tcp.SYN }),
  buildUdp({ ...ends, sport: 40000, dport: 53, payload }),
  buildEcho({ ...ends, identifier: 40000, payload }),
]);
/** From hosts that run nothing, and from the peer gateway. */
const tlsPackets = [
  ...validPackets,
  ...[
    { src: '10.1.0.77', dst: '10.2.0.2' },
    { src: 'fd01::ffff:0:0:1', dst: 'fd02::2' },
    { src: '203.0.113.2', dst: '198.51.100.2' },
  ].flatMap((ends) => [
    buildTcp({ ...ends, sport: 40000, dport: 53, flags: tcp.SYN }),
    buildTcp({ ...ends, sport: 40000, dport: 53, payload }),
    buildUdp({ ...ends, sport: 40000, dport: 53, payload }),
  ]),
];
/** What gateway A makes of them, in the clear: an encapsulated duplicate each. */
const duplicated = validPackets.map((octets) => a.duplicator.feed('in', octets)[0]!.octets);

/** Opened under the peer gateway's key; what stands in the plaintext says what it is. */
function prepareOpened(pool: PacketPool, packet: number, input: string): boolean {
  if (!preparePacket(pool, packet)) return false;
  if (input === 'data') return true;
  const version = pool.bytes[pool.payload[packet]!]! >>> 4;
  pool.nextHeader[packet] =
    version === 4
      ? nextHeaders.ipv4Packet
      : version === 6
        ? nextHeaders.ipv6Packet
        : nextHeaders.controlMessage;
  pool.channel[packet] = b.peer.index;
  return true;
}

const suites = [
  ...stageCompliance({ factory: duplicator(a.site), validPackets }),
  ...stageCompliance({ factory: tlsClassifier(a.table, a.site, a.sad), validPackets: tlsPackets }),
  ...stageCompliance({ factory: nat(a.table, a.site), validPackets: duplicated }),
  ...stageCompliance({
    factory: reverseNat(b.table, b.site, b.sad),
    validPackets: duplicated,
    prepare: prepareOpened,
  }),
];
for (const { name, run } of suites) test(name, run);

test('F25 the suites met stages at work: bindings were made on both sides', () => {
  expect(a.table.size).toBeGreaterThan(0);
  expect(b.table.size).toBeGreaterThan(0);
});
