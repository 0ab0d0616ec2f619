import { Spd } from '@ngisec/ipsec';
import { buildEcho, buildIp, buildTcp, buildUdp, preparePacket, StageBench } from '@ngisec/testkit';
import { ip, tcp, write32 } from '@ngisec/wire';
import { prefixes, TestSad } from '../test/secure-channels.ts';
import { controlClassifier } from './control-classifier.ts';
import { direction } from './direction.ts';
import { inboundPolicy, outboundPolicy } from './policy.ts';

const prepare = preparePacket;
/** Where the packet went: an output or a drop reason. */
function wayOf(bench: StageBench, octets: Uint8Array): string {
  const before = bench.drops;
  const emitted = bench.feed('in', octets);
  if (emitted.length > 0) return emitted.map(({ output }) => output).join();
  return Object.entries(bench.drops).find(([reason, count]) => count !== before[reason])![0];
}

describe('direction', () => {
  const bench = new StageBench(direction, {
    prepare,
    options: { inside: ['10.1.0.0/24', '192.0.2.7', 'fd01::/64'] },
  });

  test.each<[string, string, string]>([
    ['10.1.0.0', '10.2.0.1', 'inside'],
    ['10.1.0.255', '10.2.0.1', 'inside'],
    ['10.1.1.0', '10.1.0.1', 'outside'],
    ['10.0.255.255', '10.1.0.1', 'outside'],
    ['192.0.2.7', '10.1.0.1', 'inside'],
    ['192.0.2.6', '10.1.0.1', 'outside'],
    ['fd01::ffff:ffff:ffff:ffff', 'fd02::1', 'inside'],
    ['fd01:0:0:1::', 'fd01::1', 'outside'],
    // Octets of an IPv6 source that would match an IPv4 prefix.
    ['a01::', 'fd01::1', 'outside'],
  ])('from %s to %s is %s', (src, dst, output) => {
    expect(wayOf(bench, buildUdp({ src, dst, sport: 1, dport: 2 }))).toBe(output);
  });

  test('a prefix that is none is a mistake of the configuration', () => {
    expect(() => new StageBench(direction, { prepare, options: { inside: ['10.1.0.0/33'] } })).toThrow(
      RangeError,
    );
  });
});

describe('policy', () => {
  const spd = new Spd([
    {
      name: 'no-telnet',
      mode: 'discard',
      remote: prefixes('10.2.0.0/16'),
      protocol: ip.TCP,
      remotePorts: { minimum: 23, maximum: 23 },
    },
    {
      name: 'ssh',
      mode: 'bypass',
      remote: prefixes('10.2.0.0/16'),
      protocol: ip.TCP,
      localPorts: { minimum: 20, maximum: 22 },
    },
    { name: 'site', mode: 'vpn', remote: prefixes('10.2.0.0/16', 'fd02::/64') },
    { name: 'lan', mode: 'lan', remote: prefixes('10.1.0.0/24'), protocol: ip.ICMP },
    { name: 'lan6', mode: 'bypass', remote: prefixes('fd01::/64'), protocol: ip.ICMP },
  ]);
  const [near, far] = ['10.1.0.2', '10.2.0.2'];
  const out = { src: near, dst: far };
  const back = { src: far, dst: near };
  const esp = (ends: typeof out): Uint8Array => buildIp(ends, 50, new Uint8Array(40));
  const unreachable = (ends: typeof out): Uint8Array => {
    const octets = buildEcho(ends);
    octets[20] = 3;
    return octets;
  };

  test.each<[string, (ends: typeof out) => Uint8Array, number, string]>([
    ['#106 TCP to the site', (ends) => buildTcp({ ...ends, sport: 5, dport: 80 }), 2, 'protect'],
    ['UDP to the site', (ends) => buildUdp({ ...ends, sport: 5, dport: 80 }), 2, 'protect'],
    ['echo to the site', (ends) => buildEcho(ends), 2, 'protect'],
    ['#122 what is neither, to the site', esp, 2, 'unsupported'],
    ['an ICMP error to the site', unreachable, 2, 'unsupported'],
  ])('%s, both ways: rule and output', (_, build, rule, way) => {
    for (const [stage, ends] of [
      [outboundPolicy, out],
      [inboundPolicy, back],
    ] as const) {
      const bench = new StageBench(stage(spd), { prepare });
      expect(wayOf(bench, build(ends))).toBe(way);
      expect(bench.feed('in', build(ends)).map((emitted) => emitted.rule)).toEqual(
        way === 'protect' ? [rule] : [],
      );
    }
  });

  test.each<[string, Uint8Array, Uint8Array, string]>([
    [
      'a discarded service',
      buildTcp({ ...out, sport: 5, dport: 23 }),
      buildTcp({ ...back, sport: 23, dport: 5 }),
      'discarded',
    ],
    [
      'the same port over UDP',
      buildUdp({ ...out, sport: 5, dport: 23 }),
      buildUdp({ ...back, sport: 23, dport: 5 }),
      'protect',
    ],
    [
      'a bypassed local service',
      buildTcp({ ...out, sport: 22, dport: 5 }),
      buildTcp({ ...back, sport: 5, dport: 22 }),
      'bypass',
    ],
    [
      'its port, but at the far end',
      buildTcp({ ...out, sport: 5, dport: 22 }),
      buildTcp({ ...back, sport: 22, dport: 5 }),
      'protect',
    ],
    [
      '#113 a peer no rule names',
      buildTcp({ ...out, dst: '10.9.0.1', sport: 5, dport: 80 }),
      buildTcp({ ...back, src: '10.9.0.1', sport: 80, dport: 5 }),
      'noRule',
    ],
    [
      'a protocol no rule names',
      buildTcp({ src: near, dst: '10.1.0.9', sport: 5, dport: 80 }),
      buildTcp({ src: '10.1.0.9', dst: near, sport: 80, dport: 5 }),
      'noRule',
    ],
    [
      'ICMPv6 by a rule for ICMP',
      buildEcho({ src: 'fd01::2', dst: 'fd01::3' }),
      buildEcho({ src: 'fd01::3', dst: 'fd01::2' }),
      'bypass',
    ],
  ])('%s, out and in', (_, outward, inward, way) => {
    expect(wayOf(new StageBench(outboundPolicy(spd), { prepare }), outward)).toBe(way);
    expect(wayOf(new StageBench(inboundPolicy(spd), { prepare }), inward)).toBe(way);
  });

  test('no rules at all: everything is discarded', () => {
    expect(
      wayOf(
        new StageBench(outboundPolicy(new Spd([])), { prepare }),
        buildUdp({ ...out, sport: 1, dport: 2 }),
      ),
    ).toBe('noRule');
  });
});

describe('control-classifier', () => {
  const sad = new TestSad();
  sad.addChannel('host', 'control', '10.1.0.0/24');
  const OWN_SPI = 1001;
  const ends = { src: '10.1.0.2', dst: '10.2.0.2', sport: 5000, dport: 80 };
  /** The shortest shim: SPI, sequence, four octets, ICV. */
  const shim = (spi: number, length = 28): Uint8Array => {
    const octets = new Uint8Array(length).fill(0xee);
    if (length >= 4) write32(octets, 0, spi);
    return octets;
  };
  const classify = (octets: Uint8Array): string =>
    wayOf(new StageBench(controlClassifier(sad), { prepare }), octets);

  test('#26 #32 over all 256 flag octets: under an own SPI control; under another, data, but with SYN=1 refused', () => {
    const bench = new StageBench(controlClassifier(sad), { prepare });
    for (let flags = 0; flags < 256; flags += 1) {
      const [own, foreign] = [OWN_SPI, 4711].map((spi) =>
        wayOf(bench, buildTcp({ ...ends, flags, payload: shim(spi) })),
      );
      const isSyn = (flags & tcp.SYN) !== 0;
      expect([flags, own, foreign]).toEqual([flags, 'control', isSyn ? 'undeclaredControl' : 'data']);
    }
  });

  test.each<[string, (payload: Uint8Array) => Uint8Array]>([
    ['UDP', (payload) => buildUdp({ ...ends, payload })],
    ['echo', (payload) => buildEcho({ ...ends, payload })],
    ['UDP over IPv6', (payload) => buildUdp({ ...ends, src: 'fd01::2', dst: 'fd02::2', payload })],
    ['echo over IPv6', (payload) => buildEcho({ src: 'fd01::2', dst: 'fd02::2', payload })],
  ])('#27 %s: the SPI decides', (_, build) => {
    expect(classify(build(shim(OWN_SPI)))).toBe('control');
    expect(classify(build(shim(4711)))).toBe('data');
    expect(classify(build(shim(OWN_SPI, 24)))).toBe('unprotected');
  });

  test.each([
    [0, 'unprotected'],
    [24, 'unprotected'],
    [27, 'unprotected'],
    [28, 'control'],
    [29, 'unprotected'],
    [32, 'control'],
  ])('#104 %d octets behind the transport header: %s', (length, way) => {
    expect(classify(buildTcp({ ...ends, payload: shim(OWN_SPI, length) }))).toBe(way);
  });

  test('what is neither TCP nor UDP nor ICMP: unsupported', () => {
    expect(classify(buildIp(ends, 50, shim(OWN_SPI)))).toBe('unsupported');
  });
});
