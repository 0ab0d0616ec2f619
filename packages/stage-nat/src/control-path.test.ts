import { flowKey, reverseFlowKey, VirtualClock, writeFlowKey } from '@ngisec/core';
import { controlMessage, nextHeaders } from '@ngisec/ipsec';
import { buildEcho, buildTcp, buildUdp, parseIp, preparePacket, type IpPacket } from '@ngisec/testkit';
import { ip, ipv4, ipv6, read16, tcp, write16 } from '@ngisec/wire';
import { GatewayBench, wanA, wanB } from '../test/two-gateways.ts';

const setting = () => ({ prepare: preparePacket, clock: new VirtualClock() });
const ends4 = { src: '10.1.0.2', dst: '10.2.0.3' };
const ends6 = { src: 'fd01::2', dst: 'fd02::3' };
const data = Uint8Array.from({ length: 33 }, (_, index) => index);
const syn = (ends: { src: string; dst: string }, payload = data): Uint8Array =>
  buildTcp({
    ...ends,
    sport: 40000,
    dport: 443,
    flags: tcp.SYN,
    options: Uint8Array.of(2, 4, 5, 0xb4),
    payload,
  });

/** An announcement in the clear: headers and, as payload, a policy declaration. */
function announcement(ends: { src: string; dst: string }): Uint8Array {
  const message = new Uint8Array(controlMessage.DECLARATION_BYTES);
  controlMessage.writeDeclaration(message, 0, 0x1234, 1, 2);
  return buildUdp({ ...ends, sport: 5000, dport: 53, payload: message });
}

const parsed = (octets: Uint8Array): IpPacket => parseIp(octets) as IpPacket;

const cases: readonly [string, Uint8Array, number][] = [
  ['SYN', syn(ends4), nextHeaders.transportData],
  ['SYN over IPv6', syn(ends6), nextHeaders.transportData],
  ['UDP', buildUdp({ ...ends4, sport: 5000, dport: 53, payload: data }), nextHeaders.transportData],
  ['echo over IPv6', buildEcho({ ...ends6, identifier: 7, payload: data }), nextHeaders.transportData],
  ['UDP announcement', announcement(ends4), nextHeaders.controlMessage],
  ['UDP announcement over IPv6', announcement(ends6), nextHeaders.controlMessage],
];

describe.each(cases)('%s, gateway to gateway', (_, octets, nextHeader) => {
  const isMessage = nextHeader === nextHeaders.controlMessage;
  const { family, payload: headers, transport, protocol } = parsed(octets);

  test('#55 #62 the duplicate stands behind the headers, octet for octet; NAT changes the outer copy only', () => {
    const a = new GatewayBench('a', setting());
    const [duplicated] = a.duplicator.feed('in', octets, { nextHeader });
    const between = isMessage ? controlMessage.ITEM_HEADER_BYTES : 0;
    expect(duplicated!.octets).toHaveLength(octets.length + headers + between);
    expect(duplicated!.payload.subarray(between)).toEqual(octets);
    if (isMessage) expect([...duplicated!.payload.subarray(0, 4)]).toEqual([1, 0, 0, headers]);
    else expect(duplicated!.nextHeader).toBe(family === 4 ? 4 : 41);

    const [natted] = a.nat.feed('control', duplicated!.octets, { nextHeader: duplicated!.nextHeader });
    expect(natted!.payload.subarray(between)).toEqual(octets);
    const outer = parsed(natted!.octets);
    expect([outer.source, outer.destination]).toEqual([wanA[family as 4], wanB[family as 4]]);
    expect(natted!.channel).toBe(a.peer.index);
    expect(family === 6 || ipv4.hasValidChecksum(natted!.octets, 0)).toBe(true);
    expect(ip.hasValidTransportChecksum(natted!.octets, 0, transport, outer.end, family, protocol)).toBe(
      true,
    );
  });

  test('#41 #92 the far side learns (outer as received, inner) and has the packet its host emitted', () => {
    const [a, b] = [new GatewayBench('a', setting()), new GatewayBench('b', setting())];
    const sent = a.sendControl(octets, nextHeader)!;
    const [received] = [b.receiveControl(sent.octets, sent.nextHeader)!];
    expect(received.octets).toEqual(octets);
    expect(received.nextHeader).toBe(nextHeader);
    expect(received.channel).toBe(b.host.index);
    expect(b.reverseNat.counters).toMatchObject({ learned: 1, created: 1 });

    const [outer, inner] = [flowKey(), flowKey()];
    writeFlowKey(outer, sent.octets, 0, transport, family, protocol);
    writeFlowKey(inner, octets, 0, transport, family, protocol);
    const binding = b.table.findOuter(outer);
    expect(binding).toBeGreaterThanOrEqual(0);
    const turned = flowKey();
    reverseFlowKey(inner, turned);
    expect(b.table.findInner(turned)).toBe(binding);
    // A repeated announcement confirms the binding, it makes no second one (#27).
    b.receiveControl(sent.octets, sent.nextHeader);
    expect(b.reverseNat.counters).toMatchObject({ learned: 2, created: 1 });
  });

  test('every way a duplicate can be malformed is noDuplicate; nothing is learned', () => {
    const [a, b] = [new GatewayBench('a', setting()), new GatewayBench('b', setting())];
    const sent = a.sendControl(octets, nextHeader)!;
    const at = sent.headerBytes + (isMessage ? controlMessage.ITEM_HEADER_BYTES : 0);
    const lengthAt = at + (family === 4 ? 2 : 4);
    const altered = (change: (copy: Uint8Array) => void): Uint8Array => {
      const copy = sent.octets.slice();
      change(copy);
      return copy;
    };
    const cut = (length: number): Uint8Array => shortened(sent.octets, length);
    const malformed: [string, Uint8Array, number][] = [
      ['another next header', sent.octets, 99],
      ['transport data', sent.octets, nextHeaders.transportData],
      ['the other family’s', sent.octets, family === 4 ? nextHeaders.ipv6Packet : nextHeaders.ipv4Packet],
      ['a wrong version', altered((copy) => (copy[at] = family === 4 ? 0x65 : 0x40)), sent.nextHeader],
      [
        'another protocol',
        altered((copy) => (copy[at + (family === 4 ? 9 : 6)] = protocol === ip.TCP ? ip.UDP : ip.TCP)),
        sent.nextHeader,
      ],
      [
        'too long an IP length',
        altered((copy) => write16(copy, lengthAt, read16(copy, lengthAt) + 1)),
        sent.nextHeader,
      ],
      [
        'too short an IP length',
        altered((copy) => write16(copy, lengthAt, read16(copy, lengthAt) - 1)),
        sent.nextHeader,
      ],
      ...[0, 1, at - sent.headerBytes, family === 4 ? 19 : 39].map((left): [string, Uint8Array, number] => [
        `${left} octets of it`,
        cut(sent.headerBytes + left),
        sent.nextHeader,
      ]),
      ...(family === 4
        ? [
            ['IHL 4', altered((copy) => (copy[at] = 0x44)), sent.nextHeader] as [string, Uint8Array, number],
            ['IHL 15', altered((copy) => (copy[at] = 0x4f)), sent.nextHeader] as [string, Uint8Array, number],
          ]
        : [
            ['a fragment', altered((copy) => (copy[at + 6] = 44)), sent.nextHeader] as [
              string,
              Uint8Array,
              number,
            ],
          ]),
      ...(protocol === ip.TCP
        ? [0x40, 0xf0].map((offset): [string, Uint8Array, number] => [
            `data offset ${offset >>> 4}`,
            altered((copy) => (copy[at + transport + 12] = offset)),
            sent.nextHeader,
          ])
        : []),
      ...(isMessage
        ? ([
            [
              'another item',
              altered((copy) => (copy[at - 4] = controlMessage.items.declaration)),
              sent.nextHeader,
            ],
            ['too long an item', altered((copy) => write16(copy, at - 2, headers + 4)), sent.nextHeader],
            ['too short an item', altered((copy) => write16(copy, at - 2, headers - 4)), sent.nextHeader],
            ['an item beyond the end', altered((copy) => write16(copy, at - 2, 0xfffc)), sent.nextHeader],
            [
              'a transport header beyond the end, all lengths agreeing',
              shortened(
                altered((copy) => write16(copy, lengthAt, headers - (family === 4 ? 0 : 40) - 4)),
                at + headers - 4,
              ),
              sent.nextHeader,
            ],
            ['an empty item', altered((copy) => write16(copy, at - 2, 0)), sent.nextHeader],
          ] as [string, Uint8Array, number][])
        : []),
    ];
    for (const [what, packet, next] of malformed) {
      const before = b.reverseNat.drops['noDuplicate'] ?? 0;
      expect([what, b.receiveControl(packet, next)]).toEqual([what, undefined]);
      expect([what, b.reverseNat.drops['noDuplicate']]).toEqual([what, before + 1]);
    }
    expect(Object.keys(b.reverseNat.drops)).toEqual(['noDuplicate']);
    expect(b.table.size).toBe(0);
    expect(b.receiveControl(sent.octets, sent.nextHeader)).toBeDefined();
  });
});

/** The packet cut to `length` octets, its outer lengths saying so. */
function shortened(octets: Uint8Array, length: number): Uint8Array {
  const copy = octets.slice(0, length);
  const { transport, protocol, family } = parsed(octets);
  if (family === 4) ipv4.setTotalLengthWithChecksum(copy, 0, length);
  else ipv6.setPayloadLength(copy, 0, length - ipv6.HEADER_BYTES);
  if (protocol === ip.UDP) write16(copy, transport + 4, length - transport);
  return copy;
}

describe('reverse NAT refuses', () => {
  const learnedBy = (b: GatewayBench): [number, Record<string, number>] => [b.table.size, b.reverseNat.drops];

  test.each([
    ['a source that is not behind that gateway', { src: '10.3.0.2', dst: '10.2.0.3' }],
    ['a source of its own LAN', { src: '10.2.0.2', dst: '10.2.0.3' }],
    ['a destination that is not on its LAN', { src: '10.1.0.2', dst: '10.9.0.3' }],
    ['its own WAN address as destination', { src: '10.1.0.2', dst: '203.0.113.2' }],
  ])('N67 %s: wrongPrefix', (_, ends) => {
    const [a, b] = [new GatewayBench('a', setting()), new GatewayBench('b', setting())];
    const sent = a.sendControl(syn(ends4))!;
    const inner = syn(ends);
    const forged = sent.octets.slice();
    forged.set(inner, sent.headerBytes);
    expect(b.receiveControl(forged, sent.nextHeader)).toBeUndefined();
    expect(learnedBy(b)).toEqual([0, { wrongPrefix: 1 }]);
  });

  test('#92 what no peer gateway’s key verified: wrongChannel, nothing learned', () => {
    const [a, b] = [new GatewayBench('a', setting()), new GatewayBench('b', setting())];
    const sent = a.sendControl(syn(ends4))!;
    for (const channel of [-1, b.host.index]) {
      expect(b.reverseNat.feed('control', sent.octets, { nextHeader: sent.nextHeader, channel })).toEqual([]);
    }
    expect(learnedBy(b)).toEqual([0, { wrongChannel: 2 }]);
  });

  test('a host without a control channel: noHost, nothing learned', () => {
    const [a, b] = [new GatewayBench('a', setting()), new GatewayBench('b', setting())];
    const sent = a.sendControl(syn({ src: '10.1.0.2', dst: '10.2.0.77' }))!;
    expect(b.receiveControl(sent.octets, sent.nextHeader)).toBeUndefined();
    expect(learnedBy(b)).toEqual([0, { noHost: 1 }]);
  });

  test('an outer tuple of a flow of its own: outerInUse; a full table: tableFull', () => {
    const [a, b] = [new GatewayBench('a', setting()), new GatewayBench('b', setting(), { capacity: 1 })];
    // B's own flow to A from port 443 to 40000 is what A's 40000 -> 443 looks like at B.
    b.sendControl(buildTcp({ src: '10.2.0.9', dst: '10.1.0.9', sport: 443, dport: 40000, flags: tcp.SYN }));
    const sent = a.sendControl(syn(ends4))!;
    expect(b.receiveControl(sent.octets, sent.nextHeader)).toBeUndefined();
    const other = a.sendControl(buildTcp({ ...ends4, sport: 40001, dport: 443, flags: tcp.SYN }))!;
    expect(b.receiveControl(other.octets, other.nextHeader)).toBeUndefined();
    expect(learnedBy(b)).toEqual([1, { outerInUse: 1, tableFull: 1 }]);
  });
});

describe('NAT', () => {
  test('#54 2 clients x 2 servers with equal ports: four outer tuples, and every reply finds its client', () => {
    const [a, b] = [new GatewayBench('a', setting()), new GatewayBench('b', setting())];
    const outers = new Set<string>();
    for (const near of [2, 3]) {
      for (const far of [2, 3]) {
        const [src, dst] = [`10.1.0.${near}`, `10.2.0.${far}`];
        const sent = a.sendControl(syn({ src, dst }))!;
        outers.add(Buffer.from(sent.octets.subarray(12, 24)).toString('hex'));
        expect(b.receiveControl(sent.octets, sent.nextHeader)!.octets).toEqual(syn({ src, dst }));
        const reply = buildTcp({ src: dst, dst: src, sport: 443, dport: 40000, payload: data });
        const [back] = b.nat.feed('data', reply);
        expect(a.reverseNat.feed('data', back!.octets)[0]!.octets).toEqual(reply);
      }
    }
    expect(outers.size).toBe(4);
    expect([a.table.size, b.table.size]).toEqual([4, 4]);
  });

  test('drops a control packet no peer serves, and one that finds no port or no room', () => {
    const a = new GatewayBench('a', setting(), { portMin: 6000, portMax: 6000, capacity: 2 });
    const from = (near: number, dst = '10.2.0.3'): Uint8Array =>
      buildTcp({ src: `10.1.0.${near}`, dst, sport: 6000, dport: 443, flags: tcp.SYN });
    expect(a.sendControl(from(2, '10.9.0.1'))).toBeUndefined();
    expect(a.sendControl(from(2))).toBeDefined();
    expect(a.sendControl(from(3))).toBeUndefined();
    expect(a.sendControl(buildTcp({ ...ends4, sport: 1, dport: 1, flags: tcp.SYN }))).toBeDefined();
    expect(a.sendControl(buildTcp({ ...ends4, sport: 2, dport: 2, flags: tcp.SYN }))).toBeUndefined();
    expect(a.nat.drops).toEqual({ noPeer: 1, portsExhausted: 1, tableFull: 1 });
    expect(a.nat.counters['created']).toBe(2);
  });
});

test('#62 the duplicate is whole: a checksum that was left to the device is computed before it is copied', () => {
  const a = new GatewayBench('a', setting());
  for (const octets of [syn(ends4), announcement(ends6)]) {
    const { transport, protocol } = parsed(octets);
    const unfinished = octets.slice();
    write16(unfinished, transport + ip.checksumOffset(protocol), 0xdead);
    const [duplicated] = a.duplicator.feed('in', unfinished, { checksumPending: 1 });
    expect(duplicated!.payload).toEqual(octets);
  }
});

describe('the duplicator drops', () => {
  test('a plaintext that is neither transport data nor a control message', () => {
    const a = new GatewayBench('a', setting());
    for (const next of [0, 4, 41, 99, 253]) a.duplicator.feed('in', syn(ends4), { nextHeader: next });
    expect(a.duplicator.drops).toEqual({ unexpectedPayload: 5 });
  });

  test('headers that do not fit before the packet', () => {
    const a = new GatewayBench('a', setting());
    const options = new Uint8Array(40).fill(1);
    expect(a.duplicator.feed('in', buildTcp({ ...ends6, sport: 1, dport: 2, options }))).toHaveLength(1);
    const routing = Uint8Array.from([ip.TCP, 19, 0, 0, ...new Uint8Array(156)]);
    const segment = buildTcp({ ...ends6, sport: 1, dport: 2 }).subarray(40);
    const long = Uint8Array.from([
      ...buildTcp({ ...ends6, sport: 1, dport: 2 }).subarray(0, 40),
      ...routing,
      ...segment,
    ]);
    long[6] = 43;
    ipv6.setPayloadLength(long, 0, long.length - 40);
    expect(a.duplicator.feed('in', long)).toEqual([]);
    expect(a.duplicator.drops).toEqual({ tooLong: 1 });
  });
});
