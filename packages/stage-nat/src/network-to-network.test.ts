import { VirtualClock } from '@ngisec/core';
import { controlMessage, nextHeaders } from '@ngisec/ipsec';
import { buildEcho, buildTcp, buildUdp, parseIp, preparePacket, type IpPacket } from '@ngisec/testkit';
import { formatAddress, ip, parseAddress, read16, tcp } from '@ngisec/wire';
import { GatewayBench } from '../test/two-gateways.ts';

const setting = () => ({ prepare: preparePacket, clock: new VirtualClock() });
const gateway = (side: 'a' | 'b', changes = {}): GatewayBench =>
  new GatewayBench(side, setting(), {}, { mode: 'n2n', ...changes });
const services = ['10.2.0.3', 'fd02::3'].flatMap((host) => {
  const address = parseAddress(host)!;
  return [
    { protocol: ip.TCP, port: 80, host: address, hostPort: 8080 },
    { protocol: ip.UDP, port: 53, host: address, hostPort: 5353 },
    { protocol: address.length === 4 ? ip.ICMP : ip.ICMPV6, port: 0, host: address, hostPort: 0 },
  ];
});

const data = Uint8Array.from({ length: 33 }, (_, index) => index);
const declaration = new Uint8Array(controlMessage.DECLARATION_BYTES);
controlMessage.writeDeclaration(declaration, 0, 0x1234, 1, 3);
const ends4 = { src: '10.1.0.2', dst: '203.0.113.2' };
const ends6 = { src: 'fd01::2', dst: '2001:db8:b::2' };
const options = Uint8Array.of(2, 4, 5, 0xb4);
const syn = { sport: 40000, dport: 80, flags: tcp.SYN, seq: 7, options, payload: data };
const { transportData, controlMessage: message } = nextHeaders;
const cases: readonly [string, Uint8Array, number][] = [
  ['SYN', buildTcp({ ...ends4, ...syn }), transportData],
  ['SYN over IPv6', buildTcp({ ...ends6, ...syn }), transportData],
  ['UDP announcement', buildUdp({ ...ends4, sport: 40000, dport: 53, payload: declaration }), message],
  [
    'UDP announcement over IPv6',
    buildUdp({ ...ends6, sport: 40000, dport: 53, payload: declaration }),
    message,
  ],
  ['echo announcement', buildEcho({ ...ends4, identifier: 9, payload: declaration }), message],
];
const parsed = (octets: Uint8Array): IpPacket => parseIp(octets) as IpPacket;
/** The T header as it is repeated: checksum and UDP length tell nothing. */
function repeated(octets: Uint8Array): number[] {
  const { transport, payload, protocol } = parsed(octets);
  const header = [...octets.subarray(transport, payload)];
  header.fill(0, ip.checksumOffset(protocol), ip.checksumOffset(protocol) + 2);
  if (protocol === ip.UDP) header.fill(0, 4, 6);
  return header;
}
const tuple = (octets: Uint8Array): string => {
  const { source, destination, transport, protocol } = parsed(octets);
  const isEcho = protocol === ip.ICMP || protocol === ip.ICMPV6;
  const ports = isEcho
    ? [read16(octets, transport + 4)]
    : [read16(octets, transport), read16(octets, transport + 2)];
  return `${formatAddress(source)} ${formatAddress(destination)} ${ports.join(' ')}`;
};

describe.each(cases)('%s, network to network', (_, octets, nextHeader) => {
  const { family, protocol } = parsed(octets);
  const isMessage = nextHeader === message;

  test('#71 #79 only the transport header is repeated, and no private address is left in the packet', () => {
    const sent = gateway('a').sendControl(octets, nextHeader)!;
    const header = repeated(octets);
    const item = isMessage ? [controlMessage.items.transportMapping, 0, 0, header.length] : [];
    const { payload } = parsed(octets);
    expect([...sent.payload]).toEqual([...item, ...header, ...octets.subarray(payload)]);
    expect(sent.nextHeader).toBe(isMessage ? message : protocol);
    const own = Buffer.from(parseAddress(family === 4 ? '10.1.0.2' : 'fd01::2')!);
    expect(Buffer.from(sent.octets).includes(own)).toBe(false);
  });

  test('#72 #75 the far gateway finds the host by the service, translates, and passes the repeated header on', () => {
    const [a, b] = [gateway('a'), gateway('b', { services })];
    const sent = a.sendControl(octets, nextHeader)!;
    const received = b.receiveControl(sent.octets, sent.nextHeader)!;
    expect([...received.payload]).toEqual([...sent.payload]);
    expect([received.nextHeader, received.channel]).toEqual([sent.nextHeader, b.host.index]);
    const isEcho = protocol === ip.ICMP || protocol === ip.ICMPV6;
    const [peer, host] = family === 4 ? ['198.51.100.2', '10.2.0.3'] : ['2001:db8:a::2', 'fd02::3'];
    const ports = isEcho ? '9' : protocol === ip.TCP ? '40000 8080' : '40000 5353';
    expect(tuple(received.octets)).toBe(`${peer} ${host} ${ports}`);
    expect(b.reverseNat.counters).toMatchObject({ learned: 1, created: 1 });
    b.receiveControl(sent.octets, sent.nextHeader);
    expect(b.reverseNat.counters).toMatchObject({ learned: 2, created: 1 });
  });
});

test('#72 #74 data and answers of a flow are translated at both gateways, both ways, at one length', () => {
  const [a, b] = [gateway('a'), gateway('b', { services })];
  const sent = a.sendControl(cases[0]![1])!;
  b.receiveControl(sent.octets, sent.nextHeader);
  const there = buildTcp({ ...ends4, sport: 40000, dport: 80, payload: data });
  const [wan] = a.nat.feed('data', there);
  expect(tuple(wan!.octets)).toBe('198.51.100.2 203.0.113.2 40000 80');
  const [lan] = b.reverseNat.feed('data', wan!.octets);
  expect(tuple(lan!.octets)).toBe('198.51.100.2 10.2.0.3 40000 8080');
  expect(lan!.octets).toHaveLength(there.length);

  const answer = { src: '10.2.0.3', dst: '198.51.100.2', sport: 8080, dport: 40000 };
  const synAck = b.sendControl(buildTcp({ ...answer, flags: tcp.SYN | tcp.ACK }))!;
  expect(tuple(synAck.octets)).toBe('203.0.113.2 198.51.100.2 80 40000');
  const back = a.receiveControl(synAck.octets, synAck.nextHeader)!;
  expect(tuple(back.octets)).toBe('203.0.113.2 10.1.0.2 80 40000');
  expect([read16(back.payload, 0), read16(back.payload, 2)]).toEqual([8080, 40000]);
});

test('#117 two hosts with equal ports towards one server have different ports in public', () => {
  const [a, b] = [gateway('a'), gateway('b', { services })];
  const tuples = ['10.1.0.2', '10.1.0.3'].map((src) => {
    const sent = a.sendControl(buildTcp({ ...syn, src, dst: ends4.dst }))!;
    return tuple(b.receiveControl(sent.octets, sent.nextHeader)!.octets);
  });
  expect(new Set(tuples).size).toBe(2);
  expect(tuples[0]).toBe('198.51.100.2 10.2.0.3 40000 8080');
});

test('#75 what asks for no service is dropped and makes no binding', () => {
  const [a, b] = [gateway('a'), gateway('b', { services })];
  for (const dport of [81, 8080, 53]) {
    const sent = a.sendControl(buildTcp({ ...ends4, ...syn, dport }))!;
    expect(b.receiveControl(sent.octets, sent.nextHeader)).toBeUndefined();
  }
  expect(b.reverseNat.drops).toEqual({ noService: 3 });
  expect(b.table.size).toBe(0);
});

test('#79 a duplicate that is not whole is refused: none, cut, of another protocol, or with addresses', () => {
  const [a, b] = [gateway('a'), gateway('b', { services })];
  const sent = a.sendControl(cases[0]![1])!;
  const bare = buildTcp({ src: '198.51.100.2', dst: '203.0.113.2', sport: 1, dport: 80, flags: tcp.SYN });
  b.receiveControl(bare, ip.TCP);
  for (const wrong of [transportData, nextHeaders.ipv4Packet, ip.UDP, message])
    b.receiveControl(sent.octets, wrong);
  expect(b.reverseNat.drops).toEqual({ noDuplicate: 5 });
});

test('#68 #75 a gateway that forgot an answering host’s flow gives it the service’s public port again', () => {
  const b = gateway('b', { services });
  const answer = { src: '10.2.0.3', dst: '198.51.100.2', sport: 8080, dport: 40000, payload: data };
  const [update, sent] = b.nat.feed('data', buildTcp(answer));
  expect(tuple(sent!.octets)).toBe('203.0.113.2 198.51.100.2 80 40000');
  expect(update!.nextHeader).toBe(message);
  expect(update!.payload[0]).toBe(controlMessage.items.transportMapping);
});

test('#68 the peer gateway confirms a mapping update and passes nothing on', () => {
  const [a, b] = [gateway('a'), gateway('b', { services })];
  const [update] = a.nat.feed('data', buildTcp({ ...ends4, sport: 40000, dport: 80, payload: data }));
  const answer = b.receiveControl(update!.octets, update!.nextHeader)!;
  expect([answer.output, answer.payload[0]]).toEqual(['answer', controlMessage.items.confirmation]);
  expect(b.table.size).toBe(1);
});
