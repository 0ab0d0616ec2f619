import { tcp } from '@ngisec/wire';
import { encodeOptions } from './endpoint/tcp-segment.ts';
import { buildEcho, buildIp, buildTcp, buildUdp } from './packet-builders.ts';
import { describePacket } from './packet-text.ts';

const v4 = { src: '10.0.0.1', dst: '10.0.0.2' };
const v6 = { src: 'fd00::1', dst: 'fd00::2' };

describe('describePacket', () => {
  test('TCP with its flags, numbers and options', () => {
    const options = encodeOptions({ mss: 1460, windowScale: 2, timestamp: { value: 5, echo: 6 } });
    const syn = buildTcp({
      ...v4,
      sport: 1234,
      dport: 80,
      seq: 7,
      flags: tcp.SYN,
      options,
      identification: 9,
    });
    expect(describePacket(syn)).toBe(
      '10.0.0.1.1234 > 10.0.0.2.80: TCP [S], seq 7, win 65535 <mss 1460 wscale 2 ts 5 6>, length 0, ttl 64, id 9',
    );
    const data = buildTcp({
      ...v6,
      sport: 1,
      dport: 2,
      seq: 7,
      ack: 8,
      flags: tcp.ACK | tcp.PSH,
      payload: new Uint8Array(3),
      dscp: 46,
      ecn: 1,
    });
    expect(describePacket(data)).toBe(
      'fd00::1.1 > fd00::2.2: TCP [P.], seq 7, ack 8, win 65535, length 3, ttl 64, dscp 46, ecn 1',
    );
  });

  test('UDP, echo and other protocols', () => {
    expect(describePacket(buildUdp({ ...v6, sport: 5, dport: 6, payload: new Uint8Array(4) }))).toBe(
      'fd00::1.5 > fd00::2.6: UDP, length 4, ttl 64',
    );
    expect(describePacket(buildEcho({ ...v6, identifier: 3, sequence: 4, reply: true }))).toBe(
      'fd00::1 > fd00::2: ICMPv6 echo reply, id 3, seq 4, length 0, ttl 64',
    );
    expect(describePacket(buildIp({ ...v4, ttl: 3 }, 50, new Uint8Array(8)))).toBe(
      '10.0.0.1 > 10.0.0.2: protocol 50, length 8, ttl 3, id 0',
    );
  });

  test('what is wrong is said', () => {
    const packet = buildUdp({ ...v4, sport: 5, dport: 6, payload: new Uint8Array(4) });
    packet[30]! ^= 1;
    expect(describePacket(packet)).toMatch(/BAD CHECKSUM$/);
    expect(describePacket(Uint8Array.of(0x45, 1))).toBe('truncated, 2 octets: 45 01');
  });
});

test('builders refuse what no packet can be', () => {
  expect(() => buildUdp({ src: '10.0.0.1', dst: 'fd00::1', sport: 1, dport: 2 })).toThrow('two families');
  expect(() => buildUdp({ src: '10.0.0.300', dst: '10.0.0.1', sport: 1, dport: 2 })).toThrow(
    'not an IP address',
  );
  expect(() => buildTcp({ ...v4, sport: 1, dport: 2, options: new Uint8Array(3) })).toThrow('options');
  expect(() => buildUdp({ ...v4, sport: 1, dport: 2, payload: new Uint8Array(65_600) })).toThrow('too long');
});
