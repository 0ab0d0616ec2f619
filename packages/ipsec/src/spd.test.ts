import fc from 'fast-check';
import { buildEcho, buildIp, buildTcp, buildUdp } from '@ngisec/testkit';
import { formatAddress, ip, parseAddress, parsePrefix, type Prefix } from '@ngisec/wire';
import { Spd, type Mode, type PolicyRule, type PortRange } from './spd.ts';

const SCTP = 132;

interface Selectors {
  readonly local?: readonly string[];
  readonly remote?: readonly string[];
  readonly protocol?: number;
  readonly localPorts?: PortRange;
  readonly remotePorts?: PortRange;
}

const prefixes = (texts: readonly string[]): Prefix[] => texts.map((text) => parsePrefix(text)!);

function rule(name: string, mode: Mode, { local, remote, ...rest }: Selectors = {}): PolicyRule {
  return {
    name,
    mode,
    ...rest,
    ...(local === undefined ? {} : { local: prefixes(local) }),
    ...(remote === undefined ? {} : { remote: prefixes(remote) }),
  };
}

/** A packet as seen from one of its ends. */
interface Traffic {
  readonly local: string;
  readonly remote: string;
  readonly protocol: number;
  readonly localPort: number;
  readonly remotePort: number;
  readonly outbound: boolean;
}

function packetOf({ local, remote, protocol, localPort, remotePort, outbound }: Traffic): Uint8Array {
  const [src, dst] = outbound ? [local, remote] : [remote, local];
  const [sport, dport] = outbound ? [localPort, remotePort] : [remotePort, localPort];
  if (protocol === ip.TCP) return buildTcp({ src, dst, sport, dport });
  if (protocol === ip.UDP) return buildUdp({ src, dst, sport, dport });
  if (protocol === SCTP) return buildIp({ src, dst }, SCTP, Uint8Array.from([0, 80, 0, 80, 0, 0, 0, 0]));
  return buildEcho({ src, dst, identifier: 80 });
}

/** The index `Spd.match` gives, for the packet at an odd place of a larger array. */
function match(rules: readonly PolicyRule[], traffic: Traffic): number {
  const octets = packetOf(traffic);
  const bytes = new Uint8Array(octets.length + 20).fill(0xff);
  bytes.set(octets, 7);
  const family = traffic.local.includes(':') ? 6 : 4;
  const transport = 7 + (family === 4 ? 20 : 40);
  return new Spd(rules).match(bytes, 7, transport, family, traffic.protocol, traffic.outbound);
}

const web: Traffic = {
  local: '10.1.0.5',
  remote: '10.2.0.7',
  protocol: ip.TCP,
  localPort: 40000,
  remotePort: 443,
  outbound: true,
};

test('no rule at all, or none that fits, is -1: discard', () => {
  expect(match([], web)).toBe(-1);
  expect(match([rule('other', 'bypass', { remote: ['10.3.0.0/16'] })], web)).toBe(-1);
});

test('the first rule that matches decides, in both directions', () => {
  const rules = [
    rule('no telnet', 'discard', { protocol: ip.TCP, remotePorts: { minimum: 23, maximum: 23 } }),
    rule('web', 'vpn', { remote: ['10.2.0.0/24'], remotePorts: { minimum: 443, maximum: 443 } }),
    rule('ssh to me', 'vpn', { local: ['10.1.0.5'], localPorts: { minimum: 22, maximum: 22 } }),
    rule('rest', 'bypass'),
  ];
  for (const outbound of [true, false]) {
    expect(match(rules, { ...web, outbound })).toBe(1);
    expect(match(rules, { ...web, outbound, remotePort: 23 })).toBe(0);
    expect(match(rules, { ...web, outbound, remotePort: 23, protocol: ip.UDP })).toBe(3);
    expect(match(rules, { ...web, outbound, remotePort: 442 })).toBe(3);
    expect(match(rules, { ...web, outbound, remote: '10.2.1.7' })).toBe(3);
    expect(match(rules, { ...web, outbound, localPort: 22, remotePort: 5 })).toBe(2);
    // Local and remote are not source and destination: swapped ends are another flow.
    expect(match(rules, { ...web, outbound, localPort: 443, remotePort: 5 })).toBe(3);
    expect(match(rules, { ...web, outbound, local: '10.2.0.7', remote: '10.1.0.5' })).toBe(3);
  }
});

test.each([
  [0, 0],
  [443, 443],
  [1024, 65535],
  [0, 65535],
])('ports %d to %d include both ends', (minimum, maximum) => {
  const rules = [rule('ports', 'lan', { remotePorts: { minimum, maximum } })];
  for (const port of [minimum, maximum]) expect(match(rules, { ...web, remotePort: port })).toBe(0);
  for (const port of [minimum - 1, maximum + 1]) {
    if (port >= 0 && port <= 65535) expect(match(rules, { ...web, remotePort: port })).toBe(-1);
  }
});

test('a rule with ports selects TCP and UDP only; 1 selects ICMP of both versions', () => {
  const withPorts = [rule('ports', 'vpn', { remotePorts: { minimum: 0, maximum: 65535 } })];
  const selects = (rules: readonly PolicyRule[], protocol: number, isV6 = false): boolean => {
    const ends = isV6 ? { local: 'fd01::5', remote: 'fd02::7' } : {};
    return match(rules, { ...web, ...ends, protocol }) === 0;
  };
  expect([ip.TCP, ip.UDP, ip.ICMP, SCTP].map((protocol) => selects(withPorts, protocol))).toEqual([
    true,
    true,
    false,
    false,
  ]);
  expect(selects(withPorts, ip.ICMPV6, true)).toBe(false);
  const ping = [rule('ping', 'vpn', { protocol: ip.ICMP })];
  expect([selects(ping, ip.ICMP), selects(ping, ip.ICMPV6, true), selects(ping, ip.UDP)]).toEqual([
    true,
    true,
    false,
  ]);
  const ping6 = [rule('ping6', 'vpn', { protocol: ip.ICMPV6 })];
  expect([selects(ping6, ip.ICMP), selects(ping6, ip.ICMPV6, true)]).toEqual([false, true]);
});

test('prefixes select their own family only, an empty list nothing', () => {
  const six = { ...web, local: 'fd01::5', remote: 'fd02::7' };
  expect(match([rule('any v4', 'vpn', { remote: ['0.0.0.0/0'] })], six)).toBe(-1);
  expect(match([rule('any v6', 'vpn', { remote: ['::/0'] })], web)).toBe(-1);
  expect(match([rule('both', 'vpn', { remote: ['0.0.0.0/0', '::/0'] })], six)).toBe(0);
  expect(match([rule('none', 'vpn', { remote: [] })], web)).toBe(-1);
});

/** The rule written over text and numbers, without offsets: addresses as strings of bits. */
function naiveMatch(rules: readonly PolicyRule[], traffic: Traffic): number {
  const bits = (address: Uint8Array): string =>
    [...address].map((octet) => octet.toString(2).padStart(8, '0')).join('');
  const isIn = (list: readonly Prefix[] | undefined, text: string): boolean => {
    const address = bits(parseAddress(text)!);
    if (list === undefined) return true;
    return list.some((prefix) => {
      const given = bits(prefix.address);
      return given.length === address.length && address.startsWith(given.slice(0, prefix.bits));
    });
  };
  const hasPorts = traffic.protocol === ip.TCP || traffic.protocol === ip.UDP;
  const inRange = (range: PortRange | undefined, port: number): boolean =>
    range === undefined || (hasPorts && range.minimum <= port && port <= range.maximum);
  return rules.findIndex(
    ({ local, remote, protocol, localPorts, remotePorts }) =>
      isIn(local, traffic.local) &&
      isIn(remote, traffic.remote) &&
      (protocol === undefined ||
        protocol === traffic.protocol ||
        (protocol === ip.ICMP && traffic.protocol === ip.ICMPV6)) &&
      inRange(localPorts, traffic.localPort) &&
      inRange(remotePorts, traffic.remotePort),
  );
}

// Few values, so that rules and packets meet.
const octet = fc.constantFrom(0, 1, 2, 127, 128, 255);
const address4 = fc.tuple(octet, octet).map(([a, b]) => `10.${a}.0.${b}`);
const address6 = fc
  .tuple(octet, octet)
  .map(([a, b]) => formatAddress(Uint8Array.from([0xfd, a, ...new Uint8Array(13), b])));
const port = fc.constantFrom(0, 1, 22, 80, 443, 1023, 1024, 65535);
const prefix = fc.oneof(
  fc.tuple(address4, fc.integer({ min: 0, max: 32 })),
  fc.tuple(address6, fc.integer({ min: 0, max: 128 })),
);
const prefixList = fc.array(
  prefix.map(([text, length]) => `${text}/${length}`),
  { maxLength: 3 },
);
const range = fc.tuple(port, port).map(([a, b]) => ({ minimum: Math.min(a, b), maximum: Math.max(a, b) }));
const selectors = fc.record(
  {
    local: prefixList,
    remote: prefixList,
    protocol: fc.constantFrom(ip.TCP, ip.UDP, ip.ICMP, ip.ICMPV6),
    localPorts: range,
    remotePorts: range,
  },
  { requiredKeys: [] },
);
const traffic = fc
  .tuple(fc.boolean(), fc.constantFrom(ip.TCP, ip.UDP, ip.ICMP), port, port, fc.boolean())
  .chain(([isV6, protocol, localPort, remotePort, outbound]) =>
    fc.tuple(isV6 ? address6 : address4, isV6 ? address6 : address4).map(([local, remote]) => ({
      local,
      remote,
      protocol: isV6 && protocol === ip.ICMP ? ip.ICMPV6 : protocol,
      localPort,
      remotePort,
      outbound,
    })),
  );

test('property: equals a naive scan over text', () => {
  const seen = new Set<number>();
  fc.assert(
    fc.property(fc.array(selectors, { maxLength: 6 }), traffic, (given, packet) => {
      const rules = given.map((each, index) => rule(`rule ${index}`, 'vpn', each as Selectors));
      const expected = naiveMatch(rules, packet);
      expect(match(rules, packet)).toBe(expected);
      seen.add(expected);
    }),
    { numRuns: 1500 },
  );
  // The samples say something: rules in several places matched, and none at times.
  for (const index of [-1, 0, 1, 2]) expect(seen).toContain(index);
});
