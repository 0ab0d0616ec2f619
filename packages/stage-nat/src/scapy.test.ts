/** Scapy as the other party on the encapsulated duplicate: it takes the packets apart and builds them again. */
import { VirtualClock } from '@ngisec/core';
import { buildEcho, buildTcp, buildUdp, preparePacket } from '@ngisec/testkit';
import { tcp } from '@ngisec/wire';
import { execFileSync, spawnSync } from 'node:child_process';
import { GatewayBench } from '../test/two-gateways.ts';

const PYTHON = '/usr/bin/python3';
const hasScapy = spawnSync(PYTHON, ['-c', 'import scapy']).status === 0;
const withScapy = hasScapy || process.env['CI'] ? test : test.skip;
if (withScapy !== test) process.stderr.write('skipping stage-nat/scapy.test.ts: no python3-scapy here\n');

/**
 * Per line of "version hex": the layers outside, their addresses and ports, then those of the duplicate, and whether
 * lengths and checksums of both are what Scapy computes.
 */
const SCRIPT = `
import sys
from scapy.all import IP, IPv6, TCP, UDP, ICMP, ICMPv6EchoRequest, Raw, raw
def rebuilt(packet):
  fresh = packet.copy()
  for layer, fields in ((IP, ('len', 'chksum')), (IPv6, ('plen',)), (TCP, ('chksum', 'dataofs')),
      (UDP, ('len', 'chksum')),
                        (ICMP, ('chksum',)), (ICMPv6EchoRequest, ('cksum',))):
    if layer in fresh:
      for field in fields: delattr(fresh[layer], field)
  return raw(fresh)
def told(packet):
  ports = [packet.sport, packet.dport] if TCP in packet or UDP in packet else []
  return [packet.src, packet.dst, packet.payload.name, *ports]
for line in sys.stdin:
  version, text = line.split()
  octets = bytes.fromhex(text)
  kind = IP if version == '4' else IPv6
  outer = kind(octets)
  # TCP and UDP: what follows their header. ICMPv6 echo keeps it as a field.
  carried = outer.payload.data if ICMPv6EchoRequest in outer else raw(outer.payload.payload)
  inner = kind(carried)
  print(*told(outer), rebuilt(outer) == octets, '|', *told(inner), rebuilt(inner) == carried, len(carried), sep=' ')
`;

withScapy('#62 IP | T | IP | T | data, both with right lengths and checksums, as Scapy reads it', () => {
  const a = new GatewayBench('a', { prepare: preparePacket, clock: new VirtualClock() });
  const v4 = { src: '10.1.0.2', dst: '10.2.0.3' };
  const v6 = { src: 'fd01::2', dst: 'fd02::3' };
  const payload = Buffer.from('opening words');
  const emitted = [
    buildTcp({
      ...v4,
      sport: 40000,
      dport: 443,
      seq: 7,
      flags: tcp.SYN,
      options: Uint8Array.of(2, 4, 5, 0xb4),
      payload,
    }),
    buildTcp({ ...v4, src: '10.1.0.9', sport: 40000, dport: 443, flags: tcp.SYN }),
    buildUdp({ ...v4, sport: 5000, dport: 53, payload }),
    buildEcho({ ...v4, identifier: 9, payload }),
    buildTcp({ ...v6, sport: 40000, dport: 443, flags: tcp.SYN, payload }),
    buildUdp({ ...v6, sport: 5000, dport: 53, payload }),
    buildEcho({ ...v6, identifier: 9, payload }),
  ];
  const input = emitted
    .map((octets) => `${octets[0]! >>> 4} ${Buffer.from(a.sendControl(octets)!.octets).toString('hex')}\n`)
    .join('');
  const printed = execFileSync(PYTHON, ['-c', SCRIPT], { input, encoding: 'utf8' }).trimEnd().split('\n');
  const remapped = /^198\.51\.100\.2 203\.0\.113\.2 TCP (\d+)/.exec(printed[1]!)![1]!;
  expect(remapped).not.toBe('40000');
  const wan6 = '2001:db8:a::2 2001:db8:b::2';
  expect(printed).toEqual([
    `198.51.100.2 203.0.113.2 TCP 40000 443 True | 10.1.0.2 10.2.0.3 TCP 40000 443 True ${emitted[0]!.length}`,
    `198.51.100.2 203.0.113.2 TCP ${remapped} 443 True | 10.1.0.9 10.2.0.3 TCP 40000 443 True ${emitted[1]!.length}`,
    `198.51.100.2 203.0.113.2 UDP 5000 53 True | 10.1.0.2 10.2.0.3 UDP 5000 53 True ${emitted[2]!.length}`,
    `198.51.100.2 203.0.113.2 ICMP True | 10.1.0.2 10.2.0.3 ICMP True ${emitted[3]!.length}`,
    `${wan6} TCP 40000 443 True | fd01::2 fd02::3 TCP 40000 443 True ${emitted[4]!.length}`,
    `${wan6} UDP 5000 53 True | fd01::2 fd02::3 UDP 5000 53 True ${emitted[5]!.length}`,
    `${wan6} ICMPv6 Echo Request True | fd01::2 fd02::3 ICMPv6 Echo Request True ${emitted[6]!.length}`,
  ]);
});
