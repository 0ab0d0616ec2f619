import { ipv4, ipv6, tcp } from '@ngisec/wire';
import { capture } from './capture.ts';
import { Stack } from './endpoint/stack.ts';
import { buildEcho, buildIp, buildUdp } from './packet-builders.ts';
import { directPorts } from './port.ts';
import { Router } from './router.ts';
import { SimulatedNetwork } from './simulated-network.ts';

const v4 = { src: '10.0.0.1', dst: '10.0.1.2' };
const v6 = { src: 'fd00::1', dst: 'fd00:0:0:1::2' };
const octetsOf = (...values: number[]): Uint8Array => Uint8Array.of(...values);

/** Two hosts with a router between them. */
function routed(seed = 1) {
  const network = new SimulatedNetwork(seed);
  const [left, right] = [network.link({ latencyMs: 2 }), network.link({ latencyMs: 3 })];
  const router = new Router();
  router.addRoute('10.0.0.0/24', left.b).addRoute('fd00::/64', left.b);
  router.addRoute('10.0.1.0/24', right.a).addRoute('fd00:0:0:1::/64', right.a);
  const client = new Stack(network, { addresses: [v4.src, v6.src] }, left.a);
  const server = new Stack(network, { addresses: [v4.dst, v6.dst] }, right.b);
  return { network, left, right, router, client, server };
}

describe('router', () => {
  test.each([v4, v6])('takes one hop off and keeps the header valid ($src)', ({ src, dst }) => {
    const { network, client, right, server } = routed();
    const packets = capture(right);
    client.emit(buildUdp({ src, dst, sport: 1, dport: 9, ttl: 17 }));
    network.run(10);
    const { octets } = packets[0]!;
    expect(src === v4.src ? ipv4.timeToLive(octets, 0) : ipv6.hopLimit(octets, 0)).toBe(16);
    // The stack checks the IPv4 header checksum before it looks for a socket.
    expect(server.rejected).toEqual({ noSocket: 1 });
  });

  test('drops and counts what has no hops, no route or no whole header', () => {
    const { network, client, router, left, right } = routed();
    const packets = capture(right);
    client.emit(buildUdp({ ...v4, sport: 1, dport: 9, ttl: 1 }));
    client.emit(buildUdp({ ...v6, sport: 1, dport: 9, ttl: 0 }));
    client.emit(buildUdp({ ...v4, dst: '10.9.0.1', sport: 1, dport: 9 }));
    const corrupted = buildUdp({ ...v4, sport: 1, dport: 9 });
    corrupted[8]! ^= 1;
    left.inject(corrupted, 'a2b');
    left.inject(octetsOf(0x60, 1, 2), 'a2b');
    left.inject(octetsOf(), 'a2b');
    network.run(10);
    expect(router.counters).toEqual({ forwarded: 0, noRoute: 1, ttlExpired: 2, malformed: 3 });
    expect(packets).toEqual([]);
  });

  test('the longest prefix wins, in whatever order routes came', () => {
    const arrived: string[] = [];
    const router = new Router({ countsHops: false });
    const feed = directPorts();
    for (const prefix of ['0.0.0.0/0', '10.0.1.0/24', '10.0.1.128/25', '10.0.0.0/8']) {
      const [own, far] = directPorts();
      far.onPacket = () => void arrived.push(prefix);
      router.addRoute(prefix, own);
    }
    router.addRoute('192.0.2.0/24', feed[0]);
    for (const dst of ['10.0.1.200', '10.0.1.2', '10.3.0.1', '8.8.8.8']) {
      feed[1].send(buildUdp({ src: '192.0.2.1', dst, sport: 1, dport: 2 }));
    }
    expect(arrived).toEqual(['10.0.1.128/25', '10.0.1.0/24', '10.0.0.0/8', '0.0.0.0/0']);
    expect(() => router.addRoute('10.0.0.0/33', feed[0])).toThrow('not a prefix');
  });
});

describe('link', () => {
  /** One link whose far end records arrivals with their time. */
  function arrivals(options: Parameters<SimulatedNetwork['link']>[0], seed = 1) {
    const network = new SimulatedNetwork(seed);
    const link = network.link(options);
    const got: { first: number; length: number; timeMs: number }[] = [];
    const record = (octets: Uint8Array): void =>
      void got.push({ first: octets[0]!, length: octets.length, timeMs: network.clock.nowMs() });
    link.b.onPacket = record;
    link.a.onPacket = record;
    return { network, link, got };
  }

  test('latency and bandwidth add up, and a full backlog drops', () => {
    // 1000 octets take 8 ms at 1 Mbit/s; the fourth would wait 24 ms.
    const { network, link, got } = arrivals({ latencyMs: 5, bitsPerSecond: 1_000_000, backlogMs: 20 });
    for (let index = 0; index < 4; index += 1) link.a.send(new Uint8Array(1000).fill(index));
    network.run(1000);
    expect(got.map(({ timeMs }) => timeMs)).toEqual([13, 21, 29]);
    expect(link.a2b.counters.backlogged).toBe(1);
  });

  test('each direction has its own settings, which may change while it runs', () => {
    const { network, link, got } = arrivals({ latencyMs: 5, b2a: { latencyMs: 9, faults: { loss: 1 } } });
    link.a.send(octetsOf(1));
    link.b.send(octetsOf(2));
    network.run(100);
    expect(got).toEqual([{ first: 1, length: 1, timeMs: 5 }]);
    link.b2a.faults = { ...link.b2a.faults, loss: 0 };
    link.b.send(octetsOf(3));
    network.run(100);
    expect(got[1]).toEqual({ first: 3, length: 1, timeMs: 109 });
    expect(link.b2a.counters.lost).toBe(1);
  });

  test('faults come about as often as asked', () => {
    const faults = { loss: 0.1, duplicate: 0.2, reorder: 0.3, corrupt: 0.4 };
    const { network, link } = arrivals({ faults });
    for (let index = 0; index < 5000; index += 1) link.a.send(octetsOf(index & 0xff, 0));
    network.run(100);
    const { lost, duplicated, reordered, corrupted, sent, delivered } = link.a2b.counters;
    const copies = sent + duplicated;
    expect(delivered).toBe(copies - lost);
    expect(duplicated / sent).toBeCloseTo(0.2, 1);
    expect(lost / copies).toBeCloseTo(0.1, 1);
    expect(reordered / delivered).toBeCloseTo(0.3, 1);
    expect(corrupted / copies).toBeCloseTo(0.4, 1);
  });

  test('a late packet is overtaken', () => {
    const { network, link, got } = arrivals({ faults: { reorder: 0.5, reorderDelayMs: 5 } });
    for (let index = 0; index < 50; index += 1) link.a.send(octetsOf(index));
    network.run(100);
    expect(got.map(({ first }) => first)).not.toEqual([...got.keys()]);
    expect(got.map(({ first }) => first).sort((left, right) => left - right)).toEqual([...got.keys()]);
  });

  test('more than the MTU is dropped', () => {
    const { network, link, got } = arrivals({ mtuBytes: 100 });
    link.a.send(new Uint8Array(101));
    link.a.send(new Uint8Array(100));
    network.run(100);
    expect(got.length).toBe(1);
    expect(link.a2b.counters.tooLong).toBe(1);
  });

  test('an attacker drops, replaces and injects; taps see what is on the wire', () => {
    const { network, link, got } = arrivals({});
    const packets = capture(link);
    link.interceptor = (octets) => {
      if (octets[0] === 1) return undefined;
      return octets[0] === 2 ? octetsOf(20, 20) : octets;
    };
    for (const value of [1, 2, 3]) link.a.send(octetsOf(value));
    link.inject(octetsOf(99), 'b2a');
    network.run(100);
    expect(got.map(({ first, length }) => [first, length])).toEqual([
      [20, 2],
      [3, 1],
      [99, 1],
    ]);
    expect(packets.map(({ octets, direction }) => [octets[0], direction])).toEqual([
      [20, 'a2b'],
      [3, 'a2b'],
      [99, 'b2a'],
    ]);
    expect(link.a2b.counters.intercepted).toBe(1);
  });

  test('neither sender, tap nor receiver share octets', () => {
    const { network, link } = arrivals({});
    const packets = capture(link);
    let arrived: Uint8Array | undefined;
    link.b.onPacket = (octets) => void (arrived = octets.fill(7));
    const sent = octetsOf(1);
    link.a.send(sent);
    sent.fill(9);
    network.run(10);
    expect([arrived![0], packets[0]!.octets[0]]).toEqual([7, 1]);
  });
});

describe('UDP and ICMP of the scripted stack', () => {
  test.each([v4, v6])('a datagram and its answer ($src)', ({ src, dst }) => {
    const { network, client, server } = routed();
    const echo = server.udp.bind(7);
    echo.onDatagram = (payload, from) => echo.sendTo(from.address, from.port, payload);
    const socket = client.udp.bind();
    const got: unknown[] = [];
    socket.onDatagram = (payload, from) => void got.push([[...payload], from]);
    socket.sendTo(dst, 7, octetsOf(1, 2, 3));
    network.run(10);
    expect(got).toEqual([[[1, 2, 3], { address: dst, port: 7 }]]);
    expect(client.delivered.udp).toBe(1);
    expect(src).not.toBe(dst);
    echo.close();
    socket.sendTo(dst, 7, octetsOf(1));
    network.run(10);
    expect(server.rejected).toEqual({ noSocket: 1 });
    expect(() => client.udp.bind(socket.port)).toThrow('in use');
  });

  test.each([v4, v6])('ping collects replies with their round trip ($src)', ({ dst }) => {
    const { network, client } = routed();
    const { replies } = client.icmp.ping(dst, 3, octetsOf(4, 5));
    network.run(5000);
    const reply = { from: dst, payload: octetsOf(4, 5), roundTripMs: 10 };
    expect(replies).toEqual([0, 1, 2].map((sequence) => ({ ...reply, sequence })));
  });

  test('what is wrong is counted by its reason', () => {
    const { network, client, server, right } = routed();
    server.udp.bind(9).onDatagram = () => {
      throw new Error('nothing may be delivered');
    };
    const flipped = buildUdp({ ...v4, sport: 1, dport: 9, payload: octetsOf(1) });
    flipped[flipped.length - 1]! ^= 1;
    const shortUdp = buildIp(v4, 17, octetsOf(0, 1, 0, 9, 0, 7, 0, 0));
    const fragment = buildUdp({ ...v4, sport: 1, dport: 9 });
    fragment[6] = 0x20;
    ipv4.completeChecksum(fragment, 0);
    const noChecksumV6 = buildUdp({ ...v6, sport: 1, dport: 9 });
    noChecksumV6.fill(0, 46, 48);
    const bad = [
      flipped,
      shortUdp,
      fragment,
      noChecksumV6,
      buildUdp({ ...v4, dst: '10.0.1.77', sport: 1, dport: 9 }),
      buildIp(v4, 99, octetsOf(1, 2)),
      buildEcho({ ...v4, reply: true, identifier: 5 }),
      octetsOf(0x45, 0),
    ];
    for (const octets of bad) right.inject(octets, 'a2b');
    network.run(10);
    expect(client.delivered).toEqual({ tcp: 0, udp: 0, icmp: 0 });
    expect(server.rejected).toEqual({
      badTransportChecksum: 2,
      badUdpLength: 1,
      fragment: 1,
      notMine: 1,
      noProtocol: 1,
      noSocket: 1,
      truncated: 1,
    });
  });

  test('other ICMP messages reach onMessage', () => {
    const { network, client, left } = routed();
    const got: unknown[] = [];
    client.icmp.onMessage = ({ from, type, code }) => void got.push([from, type, code]);
    const message = new Uint8Array(8);
    message.set([3, 4]);
    left.inject(buildIp({ src: '10.0.0.254', dst: v4.src }, 1, message), 'b2a');
    network.run(10);
    expect(got).toEqual([['10.0.0.254', 3, 4]]);
  });

  test('onEmit and onReceive see every packet as it was made and as it arrived', () => {
    const { network, client, server } = routed();
    const [made, arrived]: [Uint8Array[], Uint8Array[]] = [[], []];
    client.onEmit = (octets) => void made.push(octets);
    server.onReceive = (octets) => void arrived.push(octets);
    server.tcp.listen(80, () => undefined);
    client.tcp.connect({ address: v4.dst, port: 80 });
    network.run(100);
    expect(made.length).toBe(arrived.length);
    expect(made.length).toBe(2);
    expect(tcp.flags(made[0]!, 20)).toBe(tcp.SYN);
    made.forEach((octets, index) => expect(octets.subarray(20)).toEqual(arrived[index]!.subarray(20)));
  });
});
