/** Scapy as the other party on checksums: it builds the packets, we compute their checksums anew. */
import { execFileSync, spawnSync } from 'node:child_process';
import * as ip from './ip.ts';
import * as ipv4 from './ipv4.ts';
import { read16, write16 } from './bytes.ts';

const PYTHON = '/usr/bin/python3';
const hasScapy = spawnSync(PYTHON, ['-c', 'import scapy']).status === 0;
const withScapy = hasScapy || process.env['CI'] ? test : test.skip;
if (withScapy !== test) process.stderr.write('skipping scapy.test.ts: no python3-scapy here\n');

/** Prints "family protocol transport-offset hex" a packet; seeded, so that a failure comes again. */
const SCRIPT = `
import random
from scapy.all import IP, IPv6, TCP, UDP, ICMP, ICMPv6EchoRequest, ICMPv6EchoReply, IPOption, IPv6ExtHdrDestOpt
from scapy.all import PadN, Raw, raw
random.seed(1624)
octets = lambda count: bytes(random.getrandbits(8) for _ in range(count))
port = lambda: random.getrandbits(16)
v4 = lambda: '.'.join(str(random.randrange(256)) for _ in range(4))
v6 = lambda: ':'.join('%x' % random.getrandbits(16) for _ in range(8))
tcp_options = lambda: random.choice([[], [('MSS', port())], [('SAckOK', b''), ('WScale', 7)]])
tcp = lambda: TCP(sport=port(), dport=port(), seq=random.getrandbits(32), ack=random.getrandbits(32),
                  flags=random.getrandbits(8), window=port(), urgptr=port(), options=tcp_options())
udp = lambda: UDP(sport=port(), dport=port())
echo4 = lambda: ICMP(type=random.choice([0, 8]), id=port(), seq=port())
echo6 = lambda: random.choice([ICMPv6EchoRequest, ICMPv6EchoReply])(id=port(), seq=port())
for family in (4, 6):
  for protocol, make in ((6, tcp), (17, udp), (1, echo4) if family == 4 else (58, echo6)):
    for length in [*range(60), *(random.randrange(1400) for _ in range(40)), 1452]:
      data = octets(length)
      if family == 4:
        options = random.choice([[], [IPOption(b'\\x94\\x04\\x00\\x00')]])
        head = IP(src=v4(), dst=v4(), id=port(), tos=random.getrandbits(8), ttl=random.randrange(256), options=options)
        offset = len(raw(head))
      else:
        head = IPv6(src=v6(), dst=v6(), tc=random.getrandbits(8), fl=random.getrandbits(20))
        if random.random() < 0.3: head = head / IPv6ExtHdrDestOpt(options=[PadN(optdata=b'\\0' * 4)])
        offset = len(raw(head))
      packet = head / make() / Raw(data)
      if protocol == 17 and length >= 2 and length % 2 == 0:
        # Every second one such that the sum comes out as zero.
        probe = head / UDP(sport=packet[UDP].sport, dport=packet[UDP].dport) / Raw(b'\\0\\0' + data[2:])
        checksum = raw(probe)[offset + 6:offset + 8]
        packet = head / UDP(sport=packet[UDP].sport, dport=packet[UDP].dport) / Raw(checksum + data[2:])
      print(family, protocol, offset, raw(packet).hex())
`;

withScapy('N62 IPv4, TCP, UDP and ICMP checksums of both versions are those of Scapy', () => {
  const lines = execFileSync(PYTHON, ['-c', SCRIPT], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  const seen = new Map<string, number>();
  let allOnes = 0;
  for (const line of lines.trimEnd().split('\n')) {
    const [family, protocol, transport] = line.split(' ').map(Number) as [number, number, number];
    const expected = Uint8Array.from(Buffer.from(line.split(' ')[3]!, 'hex'));
    const checksumAt = transport + ip.checksumOffset(protocol);
    expect(ip.hasValidTransportChecksum(expected, 0, transport, expected.length, family, protocol)).toBe(
      true,
    );

    // At an odd place among other octets, with wrong checksums to begin with.
    const bytes = new Uint8Array(expected.length + 16).fill(0xa5);
    bytes.set(expected, 7);
    write16(bytes, 7 + checksumAt, 0x5a5a);
    if (family === 4) {
      ipv4.setChecksum(bytes, 7, 0x5a5a);
      ipv4.completeChecksum(bytes, 7);
    }
    ip.completeTransportChecksum(bytes, 7, 7 + transport, 7 + expected.length, family, protocol);
    expect(Buffer.from(bytes.subarray(7, 7 + expected.length)).toString('hex')).toBe(line.split(' ')[3]);
    seen.set(`${family} ${protocol}`, (seen.get(`${family} ${protocol}`) ?? 0) + 1);
    if (protocol === ip.UDP && read16(expected, checksumAt) === 0xffff) allOnes += 1;
  }
  expect(Object.fromEntries(seen)).toEqual({
    '4 6': 101,
    '4 17': 101,
    '4 1': 101,
    '6 6': 101,
    '6 17': 101,
    '6 58': 101,
  });
  expect(allOnes).toBeGreaterThanOrEqual(60);
});
