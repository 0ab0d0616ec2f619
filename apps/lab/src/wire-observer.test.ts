import { esp, ip, ipv4, ipv6, read16, tcp, udp, write16 } from '@ngisec/wire';
import { buildUdp, parseIp, type IpPacket } from '@ngisec/testkit';
import { MARKER, type Check } from './check.ts';
import { MemoryLaboratory } from './memory/laboratory.ts';
import { ECHO_PORT, HTTP_PORT } from './meeting.ts';
import { runDatagrams, runPings, runTransfers } from './memory/traffic.ts';
import { legs, sites, type Leg } from './topology.ts';
import { WireObserver } from './wire-observer.ts';

interface Seen {
  readonly leg: Leg;
  readonly octets: Uint8Array;
}

const names = {
  plaintext: 'no plaintext run of a payload on any leg',
  unprotected: 'every packet of a protected flow carries a shim',
  checksum: 'every IP and transport checksum and length on the wire is right',
  protocol: 'protocol field is TCP, UDP or ICMP, ports are readable',
  length: 'a data packet has the same length on all legs',
  segments: 'TCP data packets are 26 to 29 octets longer than the stack made them',
  datagrams: 'UDP data packets are 26 to 29 octets longer than the stack made them',
  control: 'control packets have an SPI and key of their own on each leg',
} as const;

let lab: MemoryLaboratory;
let good: readonly Seen[];
let expected: { hasControlChannels: boolean; datagramSizes: number[]; serverPorts: number[] };

beforeAll(async () => {
  lab = await MemoryLaboratory.open('vpn', 8);
  const seen: Seen[] = [];
  for (const leg of legs) lab.links[leg].tap((octets) => void seen.push({ leg, octets }));
  const amounts = {
    mode: 'vpn',
    seed: 8,
    transferOctets: 20_000,
    datagramCount: 100,
    pingCount: 3,
    progress: () => undefined,
  } as const;
  runTransfers(lab, amounts);
  // Both hosts send every datagram: one asks, one echoes.
  const datagramSizes = runDatagrams(lab, amounts).flatMap(({ sizes }) => [...sizes, ...sizes]);
  runPings(lab, amounts);
  good = seen;
  expected = { hasControlChannels: true, datagramSizes, serverPorts: [HTTP_PORT, ECHO_PORT] };
});

afterAll(() => lab.close());

const observe = (seen: readonly Seen[], what = expected): Check[] => {
  const observer = new WireObserver(lab.files.channels);
  for (const { leg, octets } of seen) observer.observe(leg, octets);
  return observer.checks(what);
};
const failed = (seen: readonly Seen[], what = expected): string[] =>
  observe(seen, what).flatMap(({ name, passed }) => (passed ? [] : [name]));

const parsed = (octets: Uint8Array): IpPacket => parseIp(octets) as IpPacket;
const dataSpis = (): Set<number> =>
  new Set(lab.files.channels.flatMap(({ role, spis }) => (role === 'data' ? spis : [])));
/** SPI and sequence number: what makes a packet the same on every leg. */
const identityOf = (octets: Uint8Array): string =>
  Buffer.from(octets.subarray(parsed(octets).payload, parsed(octets).payload + 8)).toString('hex');
const isData = (octets: Uint8Array): boolean => dataSpis().has(esp.spi(octets, parsed(octets).payload));

/** The first data packet of a protocol that is long enough, on LAN A; from the middle of its connection. */
function dataPacket(protocol: number, family: 4 | 6 = 4): string {
  const found = good.filter(({ leg, octets }) => {
    const packet = parsed(octets);
    return (
      leg === 'lan-a' &&
      packet.protocol === protocol &&
      packet.family === family &&
      octets.length > 500 &&
      isData(octets)
    );
  });
  return identityOf(found[Math.floor(found.length / 3)]!.octets);
}

/** The run with one packet changed wherever it is seen, or only on some legs. */
const withChange = (
  identity: string,
  change: (octets: Uint8Array) => Uint8Array,
  on: readonly Leg[] = legs,
): Seen[] =>
  good.map((seen) =>
    on.includes(seen.leg) && identityOf(seen.octets) === identity
      ? { leg: seen.leg, octets: change(seen.octets.slice()) }
      : seen,
  );

/** Lengths and checksums made right for the octets there are. */
function repaired(octets: Uint8Array): Uint8Array {
  const family = octets[0]! >>> 4;
  const transport = family === 4 ? ipv4.headerBytes(octets, 0) : ipv6.HEADER_BYTES;
  const protocol = family === 4 ? ipv4.protocol(octets, 0) : ipv6.nextHeader(octets, 0);
  ip.setLength(octets, 0, family, octets.length);
  if (family === 4) ipv4.completeChecksum(octets, 0);
  if (protocol === ip.UDP) udp.setLength(octets, transport, octets.length - transport);
  ip.completeTransportChecksum(octets, 0, transport, octets.length, family, protocol);
  return octets;
}

const longer = (octets: Uint8Array, by: number): Uint8Array =>
  repaired(Uint8Array.of(...octets, ...new Uint8Array(by)));

test('a good run passes every check', () => {
  const checks = observe(good);
  expect(checks.map(({ name }) => name)).toEqual(Object.values(names));
  expect(checks.filter(({ passed }) => !passed)).toEqual([]);
});

test('nothing seen passes no check', () => {
  expect(failed([])).toEqual(Object.values(names));
});

describe('the check fails on', () => {
  test('plaintext: one packet of one leg holds a run of a payload', () => {
    const leak = (octets: Uint8Array): Uint8Array => {
      octets.set(Buffer.from(MARKER, 'latin1'), octets.length - 100);
      return repaired(octets);
    };
    for (const leg of legs)
      expect(failed(withChange(dataPacket(ip.TCP), leak, [leg]))).toEqual([names.plaintext]);
  });

  test('an unprotected packet', () => {
    const ends = { src: sites.a.host[0], dst: sites.b.host[0] };
    for (const octets of [
      buildUdp({ ...ends, sport: 5, dport: 6, payload: new Uint8Array(40).fill(7) }),
      buildUdp({ ...ends, sport: 5, dport: 6 }),
    ]) {
      expect(failed([...good, { leg: 'lan-b', octets }])).toEqual([names.unprotected]);
    }
  });

  test('a shim under an SPI nobody declared', () => {
    const change = (octets: Uint8Array): Uint8Array => {
      octets[parsed(octets).payload]! ^= 0xff;
      return repaired(octets);
    };
    const identity = identityOf(good.find(({ octets }) => !isData(octets))!.octets);
    expect(failed(withChange(identity, change))).toEqual([names.unprotected]);
  });

  test.each<[string, (octets: Uint8Array) => Uint8Array]>([
    ['an IPv4 header checksum', (octets) => ((octets[10]! ^= 1), octets)],
    ['a TCP checksum', (octets) => ((octets[parsed(octets).transport + tcp.CHECKSUM]! ^= 1), octets)],
    ['a flipped bit of the ciphertext', (octets) => ((octets[octets.length - 1]! ^= 1), octets)],
  ])('%s that is wrong', (_, change) => {
    for (const leg of legs)
      expect(failed(withChange(dataPacket(ip.TCP), change, [leg]))).toEqual([names.checksum]);
  });

  test('a UDP length that is wrong, its checksum computed with it', () => {
    const change = (octets: Uint8Array): Uint8Array => {
      const { transport, family, protocol } = parsed(octets);
      write16(octets, transport + 4, read16(octets, transport + 4) - 1);
      ip.completeTransportChecksum(octets, 0, transport, octets.length, family, protocol);
      return octets;
    };
    expect(failed(withChange(dataPacket(ip.UDP, 6), change, ['wan']))).toEqual([names.checksum]);
  });

  test('protocol 50, which no NAT can read', () => {
    const hidden = (octets: Uint8Array): Uint8Array => {
      octets[9] = 50;
      ipv4.completeChecksum(octets, 0);
      return octets;
    };
    const octets = hidden(good.find((seen) => seen.octets[0] === 0x45)!.octets.slice());
    expect(failed([...good, { leg: 'wan', octets }])).toEqual([names.protocol]);
  });

  test.each([
    ['cut off in the IP header', 19],
    ['cut off in the TCP header', 39],
    ['empty', 0],
  ])('a packet that is %s', (_, length) => {
    const octets = good
      .find((seen) => parsed(seen.octets).protocol === ip.TCP && seen.octets[0] === 0x45)!
      .octets.slice(0, length);
    expect(failed([...good, { leg: 'wan', octets }])).toEqual([names.protocol]);
  });

  test('a service whose port was never seen', () => {
    expect(failed(good, { ...expected, serverPorts: [HTTP_PORT, 4444] })).toEqual([names.protocol]);
  });

  test('another length on one leg', () => {
    for (const leg of ['wan', 'lan-b'] as const) {
      expect(failed(withChange(dataPacket(ip.TCP), (octets) => longer(octets, 4), [leg]))).toEqual([
        names.length,
      ]);
    }
  });

  test('data packets that are missing on a leg', () => {
    expect(
      failed(good.filter(({ leg, octets }, index) => leg !== 'wan' || !isData(octets) || index % 10 !== 0)),
    ).toEqual([names.length]);
  });

  test('TCP overheads of 30 octets and more, and of 25 and less', () => {
    for (const by of [4, 8, 16]) {
      expect(failed(withChange(dataPacket(ip.TCP), (octets) => longer(octets, by)))).toEqual([
        names.segments,
      ]);
    }
    const shorter = (octets: Uint8Array): Uint8Array => repaired(octets.slice(0, octets.length - 4));
    expect(failed(withChange(dataPacket(ip.TCP, 6), shorter))).toEqual([names.segments]);
  });

  test('a UDP packet longer or shorter than its datagram asks for, one too many, one too few', () => {
    const identity = dataPacket(ip.UDP);
    expect(failed(withChange(identity, (octets) => longer(octets, 4)))).toEqual([names.datagrams]);
    expect(failed(withChange(identity, (octets) => repaired(octets.slice(0, octets.length - 4))))).toEqual([
      names.datagrams,
    ]);
    expect(failed(good, { ...expected, datagramSizes: expected.datagramSizes.slice(1) })).toEqual([
      names.datagrams,
    ]);
    expect(failed(good, { ...expected, datagramSizes: [...expected.datagramSizes, 900] })).toEqual([
      names.datagrams,
    ]);
  });

  test('a control SPI on a leg it does not belong to', () => {
    const control = good.find(({ leg, octets }) => leg === 'lan-a' && !isData(octets))!;
    expect(failed([...good, { leg: 'wan', octets: control.octets }])).toEqual([names.control]);
  });

  test('control packets missing on a leg', () => {
    expect(failed(good.filter(({ leg, octets }) => leg !== 'lan-b' || isData(octets)))).toEqual([
      names.control,
    ]);
  });
});
