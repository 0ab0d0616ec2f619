import { buildTcp, buildUdp, StageBench, type Emitted } from '@ngisec/testkit';
import { ipv4 } from '@ngisec/wire';
import { ipCheck } from './ip-check.ts';

const bench = (): StageBench => new StageBench(ipCheck, { prepare: () => true });

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(/[\s|]/g, ''), 'hex'));
/** An IPv4 packet in hexadecimal, its header checksum made right. */
function v4(text: string): Uint8Array {
  const octets = hex(text);
  if (octets.length >= ipv4.headerBytes(octets, 0)) ipv4.completeChecksum(octets, 0);
  return octets;
}

const UDP4 = '45000020 00010000 40110000 0a010002 0a020003 | 1388 0035 000c 0000 | 01020304';
const TCP4 =
  '4500002a 00010000 40060000 0a010002 0a020003 | 1388 0050 00000001 00000002 5010ffff 0000 0000 | 0102';
const ADDRESSES6 = 'fd010000000000000000000000000002 fd020000000000000000000000000003';
const UDP = '1388 0035 000c 0000 01020304';
const UDP6 = `60000000 000c 11 40 ${ADDRESSES6} | ${UDP}`;

/** What a packet became: octets before its payload, and its payload. */
const accepted = (octets: Uint8Array): [number, number[]] => {
  const [emitted, ...more] = bench().feed('in', octets) as [Emitted, ...Emitted[]];
  expect(more).toEqual([]);
  expect(emitted.nextHeader).toBe(254);
  return [emitted.headerBytes, [...emitted.payload]];
};

describe('passes, with the places of its headers', () => {
  test.each<[string, Uint8Array, number, number[]]>([
    ['IPv4 UDP', v4(UDP4), 28, [1, 2, 3, 4]],
    ['IPv4 TCP', v4(TCP4), 40, [1, 2]],
    [
      'IPv4 with options',
      v4(`46000024 00010000 40110000 0a010002 0a020003 01010100 | ${UDP}`),
      32,
      [1, 2, 3, 4],
    ],
    [
      'IPv4 with 40 octets of options',
      v4(`4f000048 00010000 40110000 0a010002 0a020003 ${'01'.repeat(40)} | ${UDP}`),
      68,
      [1, 2, 3, 4],
    ],
    [
      'TCP with options',
      buildTcp({ src: '10.1.0.2', dst: '10.2.0.3', sport: 1, dport: 2, options: new Uint8Array(40).fill(1) }),
      80,
      [],
    ],
    ['IPv4 with don’t fragment set', v4(UDP4.replace('00010000', '00014000')), 28, [1, 2, 3, 4]],
    ['IPv4 with padding of the link behind it', v4(`${UDP4} 000000000000`), 28, [1, 2, 3, 4]],
    [
      'IPv4 ICMP echo',
      v4('4500001d 00010000 40010000 0a010002 0a020003 | 0800 0000 0007 0001 | 09'),
      28,
      [9],
    ],
    [
      'another protocol, with no transport header',
      v4('45000018 00010000 40320000 0a010002 0a020003 | 00000100'),
      20,
      [0, 0, 1, 0],
    ],
    ['IPv6 UDP', hex(UDP6), 48, [1, 2, 3, 4]],
    ['IPv6 with padding of the link behind it', hex(`${UDP6} 0000`), 48, [1, 2, 3, 4]],
    [
      'IPv6 with hop-by-hop options',
      hex(`60000000 0014 00 40 ${ADDRESSES6} | 1100 0104 00000000 | ${UDP}`),
      56,
      [1, 2, 3, 4],
    ],
    [
      'IPv6 with hop-by-hop, routing and destination options',
      hex(
        `60000000 002c 00 40 ${ADDRESSES6} | 2b00 0104 00000000 | 3c01 0000 00000000 0000000000000000 | 1100 0104 00000000 | ${UDP}`,
      ),
      80,
      [1, 2, 3, 4],
    ],
    ['ICMPv6 echo', hex(`60000000 0009 3a 40 ${ADDRESSES6} | 8000 0000 0007 0001 | 09`), 48, [9]],
  ])('%s', (_, octets, headers, payload) => {
    expect(accepted(octets)).toEqual([headers, payload]);
  });
});

describe('drops', () => {
  test.each<[string, string, Uint8Array]>([
    ['badVersion', 'nothing at all', new Uint8Array(0)],
    ['badVersion', 'version 5', hex(UDP4.replace('45', '55'))],
    ['badVersion', 'zeros', new Uint8Array(40)],
    ['truncated', 'one octet of IPv4', hex('45')],
    ['truncated', '19 octets of IPv4', v4(UDP4).slice(0, 19)],
    ['truncated', 'an IPv4 length beyond the octets', v4(UDP4.replace('45000020', '45000021'))],
    ['truncated', 'an IPv4 length below the header', v4(UDP4.replace('45000020', '45000013'))],
    ['truncated', 'options beyond the length', v4(UDP4.replace('45000020', '4f000020'))],
    ['truncated', '39 octets of IPv6', hex(UDP6).slice(0, 39)],
    ['truncated', 'an IPv6 length beyond the octets', hex(UDP6.replace('000c', '000d'))],
    ['badHeaderLength', 'an IPv4 header of 16 octets', v4(UDP4.replace('45', '44'))],
    ['badHeaderLength', 'an IPv4 header of no octets', v4(UDP4.replace('45', '40'))],
    [
      'badHeaderLength',
      'an extension header beyond the end',
      hex(`60000000 0008 00 40 ${ADDRESSES6} | 1102 0104 00000000`),
    ],
    ['badHeaderLength', 'half an extension header', hex(`60000000 0004 00 40 ${ADDRESSES6} | 11000104`)],
    [
      'badHeaderLength',
      'more extension headers than anybody sends',
      hex(`60000000 0050 00 40 ${ADDRESSES6} | ${'3c00 0104 00000000'.repeat(10)}`),
    ],
    ['badHeaderChecksum', 'a wrong checksum', hex(UDP4)],
    [
      'badHeaderChecksum',
      'a flipped TTL bit',
      Uint8Array.from(v4(UDP4), (octet, at) => (at === 8 ? octet ^ 1 : octet)),
    ],
    [
      'badTransport',
      'UDP of 7 octets',
      v4('4500001b 00010000 40110000 0a010002 0a020003 | 1388 0035 0007 00'),
    ],
    ['badTransport', 'a UDP length below the IP length', v4(UDP4.replace('000c', '000b'))],
    ['badTransport', 'a UDP length beyond the IP length', v4(UDP4.replace('000c', '000d'))],
    ['badTransport', 'a UDP length of zero', v4(UDP4.replace('000c', '0000'))],
    ['badTransport', 'TCP of 19 octets', v4(TCP4.replace('4500002a', '45000027'))],
    ['badTransport', 'a TCP data offset of 4', v4(TCP4.replace('5010', '4010'))],
    ['badTransport', 'a TCP data offset beyond the end', v4(TCP4.replace('5010', '6010'))],
    [
      'badTransport',
      'ICMP of 7 octets',
      v4('4500001b 00010000 40010000 0a010002 0a020003 | 0800 0000 0007 00'),
    ],
    [
      'badTransport',
      'IPv6 UDP length against IPv6',
      hex(`60000000 000c 11 40 ${ADDRESSES6} | 1388 0035 000d 0000 01020304`),
    ],
    ['badTransport', 'IPv6 without what it announces', hex(`60000000 0000 06 40 ${ADDRESSES6}`)],
    ['fragment', 'a first IPv4 fragment', v4(UDP4.replace('00010000', '00012000'))],
    ['fragment', 'a last IPv4 fragment', v4(UDP4.replace('00010000', '00010010'))],
    ['fragment', 'an IPv6 fragment', hex(`60000000 0014 2c 40 ${ADDRESSES6} | 1100 0001 00000001 | ${UDP}`)],
    [
      'fragment',
      'an IPv6 fragment behind hop-by-hop options',
      hex(`60000000 001c 00 40 ${ADDRESSES6} | 2c00 0104 00000000 | 1100 0000 00000001 | ${UDP}`),
    ],
  ])('%s: %s', (reason, _, octets) => {
    const subject = bench();
    expect(subject.feed('in', octets)).toEqual([]);
    expect(subject.drops).toEqual({ [reason]: 1 });
  });
});

test('#121 bad packets among good ones: each goes its own way, in order', () => {
  const subject = bench();
  const good = [1, 2, 3].map((sport) => buildUdp({ src: '10.1.0.2', dst: '10.2.0.3', sport, dport: 9 }));
  const emitted = subject.feed('in', [good[0]!, hex('45'), good[1]!, hex(UDP4), good[2]!]);
  expect(emitted.map(({ octets }) => octets)).toEqual(good);
  expect(subject.drops).toEqual({ truncated: 1, badHeaderChecksum: 1 });
});
