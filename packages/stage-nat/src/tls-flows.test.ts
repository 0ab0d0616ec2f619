import { VirtualClock } from '@ngisec/core';
import { nextHeaders } from '@ngisec/ipsec';
import { buildTcp, buildUdp, preparePacket, StageBench, type Emitted } from '@ngisec/testkit';
import { ip, parsePrefix, read16, tcp } from '@ngisec/wire';
import { GatewayBench } from '../test/two-gateways.ts';
import { nat } from './nat.ts';
import { reverseNat } from './reverse-nat.ts';
import type { TlsRule } from './site.ts';

const RULES: readonly TlsRule[] = [
  { protocol: ip.TCP, ports: { minimum: 443, maximum: 444 } },
  { protocol: ip.UDP, ports: { minimum: 443, maximum: 443 } },
];
/** Hosts without a control channel: the bench gives channels to the first sixteen addresses of a LAN. */
const client = '10.1.0.77';
const server = '10.2.0.77';
const there = { src: client, dst: server, sport: 50000, dport: 443 };
const back = { src: server, dst: client, sport: 443, dport: 50000 };
const there6 = { src: 'fd01::ffff:0:0:1', dst: 'fd02::ffff:0:0:1', sport: 50000, dport: 443 };
const payload = Uint8Array.from({ length: 61 }, (_, index) => index);
const syn = buildTcp({ ...there, flags: tcp.SYN, options: Uint8Array.of(2, 4, 5, 0xb4) });
const synAck = buildTcp({ ...back, flags: tcp.SYN | tcp.ACK });
const ack = buildTcp({ ...there, flags: tcp.ACK });
const data = buildTcp({ ...there, flags: tcp.ACK, payload });
const answer = buildTcp({ ...back, flags: tcp.ACK, payload });

/** One gateway, from one side to the other, without the cipher. */
class TlsGateway extends GatewayBench {
  /** What a LAN host's packet becomes on the WAN, in order. */
  leave(octets: Uint8Array): Emitted[] {
    const [kind] = this.tls.feed('lan', octets);
    if (kind!.output === 'lan') return [kind!];
    if (kind!.output === 'leaving') return this.nat.feed('tls', octets);
    const [duplicated] = this.duplicator.feed('tls', octets);
    return this.nat.feed('control', duplicated!.octets, { nextHeader: duplicated!.nextHeader });
  }

  /** What comes of a packet from the WAN. */
  arrive({ output, octets, nextHeader }: Emitted): Emitted | undefined {
    if (output === 'control' || output === 'answer') return this.receiveControl(octets, nextHeader);
    const [kind] = this.tls.feed('wan', octets);
    return kind!.output === 'wan' ? kind : this.reverseNat.feed('tls', octets)[0];
  }
}

function gateways(far = RULES): { a: TlsGateway; b: TlsGateway; clock: VirtualClock } {
  const clock = new VirtualClock();
  const setting = { prepare: preparePacket, clock };
  return {
    a: new TlsGateway('a', setting, {}, { tls: RULES }),
    b: new TlsGateway('b', setting, {}, { tls: far }),
    clock,
  };
}

/** Hands a host's packet to the far LAN: how many packets went over the WAN, and what arrived. */
function carry(
  from: TlsGateway,
  to: TlsGateway,
  octets: Uint8Array,
): { sealed: number; arrived?: Uint8Array } {
  const sent = from.leave(octets);
  const sealed = sent.filter(({ output }) => output === 'control').length;
  let arrived: Uint8Array | undefined;
  for (const packet of sent) {
    const result = to.arrive(packet);
    if (result?.output === 'answer') from.arrive(result);
    else if (result !== undefined) arrived = result.octets;
  }
  return { sealed, ...(arrived === undefined ? {} : { arrived }) };
}

describe('a flow that only TLS protects', () => {
  test('#86 #87 TCP: SYN and SYN-ACK go sealed with a duplicate, all else translated; hosts see private addresses', () => {
    const { a, b } = gateways();
    expect(carry(a, b, syn)).toEqual({ sealed: 1, arrived: syn });
    expect(carry(b, a, synAck)).toEqual({ sealed: 1, arrived: synAck });
    for (const octets of [ack, data]) expect(carry(a, b, octets)).toEqual({ sealed: 0, arrived: octets });
    expect(carry(b, a, answer)).toEqual({ sealed: 0, arrived: answer });
    const [onWan] = a.leave(data);
    expect([onWan!.octets.length, onWan!.payload]).toEqual([data.length, payload]);
    expect([...onWan!.octets.subarray(12, 20)]).toEqual([198, 51, 100, 2, 203, 0, 113, 2]);
    expect([a.table.size, b.table.size]).toEqual([1, 1]);
  });

  test('#88 UDP: the first packet of each direction goes sealed, the others as they are, IPv4 and IPv6', () => {
    for (const ends of [there, there6]) {
      const { a, b } = gateways();
      const reverse = { src: ends.dst, dst: ends.src, sport: ends.dport, dport: ends.sport };
      const [quic, reply] = [buildUdp({ ...ends, payload }), buildUdp({ ...reverse, payload })];
      expect([carry(a, b, quic), carry(a, b, quic)]).toEqual([
        { sealed: 1, arrived: quic },
        { sealed: 0, arrived: quic },
      ]);
      expect([carry(b, a, reply), carry(b, a, reply)]).toEqual([
        { sealed: 1, arrived: reply },
        { sealed: 0, arrived: reply },
      ]);
    }
  });

  test('#88 a server that answers with a burst: one of it goes sealed', () => {
    const { a, b } = gateways();
    carry(a, b, buildUdp({ ...there, payload }));
    const burst = [1, 2, 3].map((length) => buildUdp({ ...back, payload: payload.subarray(0, length) }));
    const kinds = b.tls.feed('lan', burst).map(({ output }) => output);
    expect(kinds.sort()).toEqual(['control', 'leaving', 'leaving']);
  });

  test('#87 reverse NAT at the receiving host itself: a site of one address, with its own control SA', () => {
    const { a, b } = gateways();
    const site = { ...b.site, prefixes: [parsePrefix(server)!] };
    const host = new StageBench(reverseNat(b.table, site, b.sad), { prepare: preparePacket });
    const [first] = a.leave(syn);
    const { octets, nextHeader } = first!;
    const [arrived] = host.feed('control', octets, { nextHeader, channel: b.peer.index });
    expect([arrived!.output, arrived!.octets]).toEqual(['clear', syn]);
    expect(host.feed('tls', a.leave(data)[0]!.octets)[0]!.octets).toEqual(data);
    const [answered] = new StageBench(nat(b.table, site), { prepare: preparePacket }).feed('tls', answer);
    expect(a.arrive(answered!)!.octets).toEqual(answer);
  });

  test('#88 a first UDP packet too long to be sealed goes as it is, behind a mapping update', () => {
    const { a, b } = gateways();
    const long = buildUdp({ ...there, payload: new Uint8Array(1472) });
    const [update, packet] = a.leave(long);
    expect([update!.nextHeader, packet!.octets.length]).toEqual([nextHeaders.controlMessage, 1500]);
    expect(b.arrive(update!)!.output).toBe('answer');
    expect(b.arrive(packet!)!.octets).toEqual(long);
  });

  test('#88 a QUIC client that moves to another port has a new flow; the old one stays', () => {
    const { a, b } = gateways();
    for (const sport of [50000, 50001, 50000]) {
      const moved = buildUdp({ ...there, sport, payload });
      expect(carry(a, b, moved).arrived).toEqual(moved);
    }
    expect(b.table.size).toBe(2);
  });

  test('#54 equal ports of two clients: another outer port, the server still sees both as they are', () => {
    const { a, b } = gateways();
    const other = buildTcp({ ...there, src: '10.1.0.78', flags: tcp.SYN });
    expect(carry(a, b, syn).arrived).toEqual(syn);
    expect(read16(a.leave(other)[0]!.octets, 20)).not.toBe(50000);
    expect(carry(a, b, other).arrived).toEqual(other);
  });

  test('a first packet that was damaged on the LAN stays damaged', () => {
    const { a, b } = gateways();
    const damaged = syn.slice();
    damaged[30]! ^= 1;
    expect(carry(a, b, damaged).arrived).toEqual(damaged);
  });
});

describe('mappings of tls flows heal', () => {
  function established(): ReturnType<typeof gateways> {
    const both = gateways();
    carry(both.a, both.b, syn);
    carry(both.b, both.a, synAck);
    return both;
  }

  test('#68 the client’s gateway forgot: one update goes ahead, declared tls, and the packet passes', () => {
    const { a, b } = established();
    a.table.clear();
    expect(carry(a, b, data)).toEqual({ sealed: 1, arrived: data });
    expect(carry(a, b, data)).toEqual({ sealed: 0, arrived: data });
    expect(carry(b, a, answer)).toEqual({ sealed: 0, arrived: answer });
  });

  test('#68 the server’s gateway forgot, and only the server speaks', () => {
    const { a, b } = established();
    b.table.clear();
    expect(carry(b, a, answer)).toEqual({ sealed: 1, arrived: answer });
    expect(carry(a, b, ack)).toEqual({ sealed: 0, arrived: ack });
  });

  test('#42 the receiving gateway forgot: it asks, even for what can hold no shim, and the next packet brings the mapping', () => {
    const { a, b } = established();
    b.table.clear();
    expect(carry(a, b, ack)).toEqual({ sealed: 0 });
    expect(carry(a, b, ack)).toEqual({ sealed: 1, arrived: ack });
  });

  test('#92 both forgot: the server’s packet brings nothing back, for its gateway’s peer knows of no such flow', () => {
    const { a, b } = established();
    a.table.clear();
    b.table.clear();
    expect(carry(b, a, answer).arrived).toBeUndefined();
    expect(a.table.size).toBe(0);
    expect(a.reverseNat.drops).toMatchObject({ tlsRefused: 1 });
  });
});

describe('policy of tls flows', () => {
  test.each([
    ['another port', buildTcp({ ...there, dport: 80, flags: tcp.SYN })],
    ['another protocol’s port', buildUdp({ ...there, dport: 444, payload })],
    [
      'a SYN from a server’s port',
      buildTcp({ ...back, src: client, dst: server, dport: 80, flags: tcp.SYN }),
    ],
    ['a host that runs NGISec', buildTcp({ ...there, src: '10.1.0.2', flags: tcp.SYN })],
    ['a destination behind no peer', buildTcp({ ...there, dst: '10.3.0.1', flags: tcp.SYN })],
  ])('#86 #104 passes not: %s', (_, octets) => {
    const { a } = gateways();
    expect(a.leave(octets)[0]!.output).toBe('lan');
    expect(a.table.size).toBe(0);
  });

  test('#86 without a rule nothing passes', () => {
    const a = new TlsGateway('a', { prepare: preparePacket, clock: new VirtualClock() });
    for (const octets of [syn, data, ack]) expect(a.leave(octets)[0]!.output).toBe('lan');
  });

  test('#93 the far gateway refuses what its own policy does not allow, counted, and keeps nothing', () => {
    const { a, b } = gateways([]);
    expect(carry(a, b, syn).arrived).toBeUndefined();
    expect(b.reverseNat.drops).toEqual({ tlsRefused: 1 });
    expect(b.table.size).toBe(0);
  });

  test('#93 it refuses for a host that runs NGISec', () => {
    const { a, b } = gateways();
    expect(carry(a, b, buildTcp({ ...there, dst: '10.2.0.3', flags: tcp.SYN })).arrived).toBeUndefined();
    expect(b.reverseNat.drops).toEqual({ tlsRefused: 1 });
  });

  test('#88 a UDP packet from a server’s port to another makes no flow', () => {
    const { a, b } = gateways();
    const sneaked = buildUdp({ ...there, sport: 443, dport: 53, payload });
    expect(carry(a, b, sneaked).arrived).toBeUndefined();
    expect(b.reverseNat.drops).toMatchObject({ tlsRefused: 1 });
    expect(b.table.size).toBe(0);
  });
});

describe('tls flows and protected flows', () => {
  const sealedSyn = buildTcp({ ...there, src: '10.1.0.2', dst: '10.2.0.3', flags: tcp.SYN });
  const plain = buildTcp({ ...there, src: '10.1.0.2', dst: '10.2.0.3', payload });

  test('#104 #106 on a protected flow nothing passes as tls, in either direction', () => {
    const { a, b } = gateways();
    const sent = a.sendControl(sealedSyn)!;
    b.arrive(sent);
    expect(a.leave(plain)[0]!.output).toBe('lan');
    expect(a.nat.feed('tls', plain)).toEqual([]);
    expect(a.nat.drops).toEqual({ protectedFlow: 1 });
    const [onWan] = a.nat.feed('data', plain);
    expect(b.arrive(onWan!)!.output).toBe('wan');
    expect(b.reverseNat.feed('tls', onWan!.octets)).toEqual([]);
    expect(b.reverseNat.drops).toEqual({ protectedFlow: 1 });
  });

  test('#106 a tls packet cannot take a protected binding over, at either gateway', () => {
    const { a, b } = gateways();
    b.arrive(a.sendControl(sealedSyn)!);
    const [duplicated] = a.duplicator.feed('tls', sealedSyn);
    expect(a.nat.feed('control', duplicated!.octets, { nextHeader: duplicated!.nextHeader })).toEqual([]);
    expect(a.nat.drops).toEqual({ protectedFlow: 1 });
    const fresh = gateways().a;
    const [forged] = fresh.nat.feed('control', duplicated!.octets, { nextHeader: duplicated!.nextHeader });
    expect(b.arrive(forged!)).toBeUndefined();
    expect(b.reverseNat.drops).toEqual({ tlsRefused: 1 });
  });

  test('a sealed data packet of unknown SPI passes on a tls flow as any other', () => {
    const { a, b } = gateways();
    carry(a, b, syn);
    const [onWan] = a.nat.feed('data', data);
    expect(b.reverseNat.feed('data', onWan!.octets)[0]!.octets).toEqual(data);
  });

  test('#104 a host cannot name its sealed packet a tls one', () => {
    const { a } = gateways();
    expect(a.duplicator.feed('in', sealedSyn, { nextHeader: nextHeaders.tlsPacket })).toEqual([]);
    expect(a.duplicator.drops).toEqual({ unexpectedPayload: 1 });
  });

  test('#10 #92 an unsealed SYN from the WAN goes the way of everything unsealed, and data from elsewhere too', () => {
    const { a, b } = gateways();
    carry(a, b, syn);
    const outer = { src: '198.51.100.2', dst: '203.0.113.2', sport: 50000, dport: 443 };
    const way = (octets: Uint8Array): string => b.tls.feed('wan', octets)[0]!.output;
    expect(way(buildTcp({ ...outer, flags: tcp.SYN }))).toBe('wan');
    expect(way(buildTcp({ ...outer, src: '192.0.2.9', payload }))).toBe('wan');
    expect(way(buildTcp({ ...outer, payload }))).toBe('arriving');
    expect(b.table.size).toBe(1);
  });
});
