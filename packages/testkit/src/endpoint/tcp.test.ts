import { seededRandom } from '@ngisec/core';
import fc from 'fast-check';
import { capture, captureDigest, type TappedPacket } from '../capture.ts';
import { parseIp } from '../ip-packet.ts';
import { buildTcp } from '../packet-builders.ts';
import type { ChannelOptions } from '../simulated-link.ts';
import { SimulatedNetwork } from '../simulated-network.ts';
import { Stack } from './stack.ts';
import type { TcpConnection } from './tcp-connection.ts';
import { parseSegment } from './tcp-segment.ts';

const addressesOf = { 4: ['10.0.0.1', '10.0.0.2'], 6: ['fd00::1', 'fd00::2'] } as const;

interface Pair {
  readonly network: SimulatedNetwork;
  readonly link: ReturnType<SimulatedNetwork['link']>;
  readonly client: Stack;
  readonly server: Stack;
}

function pair(seed: number, options: ChannelOptions = {}, mtuBytes = 1500): Pair {
  const network = new SimulatedNetwork(seed);
  const link = network.link(options);
  const [v4, v6] = [addressesOf[4], addressesOf[6]];
  const client = new Stack(network, { addresses: [v4[0], v6[0]], mtuBytes }, link.a);
  const server = new Stack(network, { addresses: [v4[1], v6[1]], mtuBytes }, link.b);
  return { network, link, client, server };
}

const someOctets = (seed: number, length: number): Uint8Array => {
  const octets = new Uint8Array(length);
  seededRandom(seed).fill(octets);
  return octets;
};

interface Transfer {
  readonly received: Uint8Array;
  readonly isClosed: boolean;
  readonly resets: readonly string[];
  readonly packets: readonly TappedPacket[];
  readonly sender: TcpConnection;
}

/** The client sends `data` and closes; the server closes when the client has. */
function transfer({ network, link, client, server }: Pair, data: Uint8Array, family: 4 | 6 = 4): Transfer {
  const packets = capture(link);
  const chunks: Uint8Array[] = [];
  const resets: string[] = [];
  let closed = 0;
  server.tcp.listen(80, (connection) => {
    connection.onData = (octets) => void chunks.push(octets);
    connection.onEnd = () => connection.close();
    connection.onClose = () => void (closed += 1);
    connection.onReset = (reason) => void resets.push(reason);
  });
  const sender = client.tcp.connect({ address: addressesOf[family][1], port: 80 });
  sender.onClose = () => void (closed += 1);
  sender.onReset = (reason) => void resets.push(reason);
  sender.write(data);
  sender.close();
  network.runUntil(() => closed === 2 || resets.length > 0, 3_600_000);
  return {
    received: Uint8Array.from(Buffer.concat(chunks)),
    isClosed: closed === 2,
    resets,
    packets,
    sender,
  };
}

const badNetwork: ChannelOptions = {
  latencyMs: 10,
  faults: { loss: 0.05, duplicate: 0.05, reorder: 0.1, reorderDelayMs: 25, corrupt: 0.02 },
};

describe('TCP of the scripted stack', () => {
  test.each([4, 6] as const)('a clean link needs no retransmission (IPv%d)', (family) => {
    const data = someOctets(1, 100_000);
    const { received, isClosed, packets, sender } = transfer(pair(1), data, family);
    expect(isClosed).toBe(true);
    expect(received).toEqual(data);
    expect(sender.counters.retransmissions).toBe(0);
    // 100,000 octets in segments of 1,500 less headers and timestamps, plus handshake and FIN.
    const payloadMax = family === 4 ? 1448 : 1428;
    expect(packets.filter(({ direction }) => direction === 'a2b').length).toBeGreaterThan(
      100_000 / payloadMax,
    );
    expect(Math.max(...packets.map(({ octets }) => octets.length))).toBe(1500);
  });

  test.each([1, 2, 3, 4, 5])('F11 200 kB arrive intact over a bad link (seed %d)', (seed) => {
    const data = someOctets(seed, 200_000);
    const ends = pair(seed, badNetwork);
    const { received, isClosed, resets, sender } = transfer(ends, data, seed % 2 === 0 ? 6 : 4);
    expect(resets).toEqual([]);
    expect(isClosed).toBe(true);
    expect(Buffer.compare(received, data)).toBe(0);
    expect(sender.counters.retransmissions).toBeGreaterThan(0);
    const { lost, duplicated, reordered, corrupted } = ends.link.a2b.counters;
    for (const count of [lost, duplicated, reordered, corrupted]) expect(count).toBeGreaterThan(0);
    expect(ends.server.rejected.badTransportChecksum).toBeGreaterThan(0);
  });

  test('F11 any mix of faults, MTU and size arrives intact', () => {
    const probability = fc.double({ min: 0, max: 0.15, noNaN: true });
    fc.assert(
      fc.property(
        fc.record({
          seed: fc.nat(),
          size: fc.integer({ min: 0, max: 30_000 }),
          mtuBytes: fc.integer({ min: 600, max: 1500 }),
          family: fc.constantFrom(4 as const, 6 as const),
          faults: fc.record({
            loss: probability,
            duplicate: probability,
            reorder: probability,
            corrupt: probability,
          }),
        }),
        ({ seed, size, mtuBytes, family, faults }) => {
          const data = someOctets(seed, size);
          const { received, isClosed } = transfer(
            pair(seed, { latencyMs: 5, faults }, mtuBytes),
            data,
            family,
          );
          expect(isClosed).toBe(true);
          expect(Buffer.compare(received, data)).toBe(0);
        },
      ),
      { numRuns: 40 },
    );
  });

  test('F11 data goes both ways at once', () => {
    const { network, client, server } = pair(9, badNetwork);
    const [up, down] = [someOctets(1, 50_000), someOctets(2, 60_000)];
    const [gotUp, gotDown]: [Uint8Array[], Uint8Array[]] = [[], []];
    let closed = 0;
    const use = (connection: TcpConnection, data: Uint8Array, got: Uint8Array[]): void => {
      connection.onData = (octets) => void got.push(octets);
      connection.onClose = () => void (closed += 1);
      connection.write(data);
      connection.close();
    };
    server.tcp.listen(7, (connection) => use(connection, down, gotUp));
    use(client.tcp.connect({ address: '10.0.0.2', port: 7 }), up, gotDown);
    expect(network.runUntil(() => closed === 2, 600_000)).toBe(true);
    expect(Buffer.compare(Buffer.concat(gotUp), up)).toBe(0);
    expect(Buffer.compare(Buffer.concat(gotDown), down)).toBe(0);
    network.run(120_000);
    expect([client.tcp.open, server.tcp.open]).toEqual([0, 0]);
  });

  test('F11 the same seed repeats a run to the last octet, another does not', () => {
    const data = someOctets(1, 50_000);
    const digest = (seed: number): string => captureDigest(transfer(pair(seed, badNetwork), data).packets);
    expect(digest(42)).toBe(digest(42));
    expect(digest(42)).not.toBe(digest(43));
  });

  test('the accounts of a link add up once nothing is under way', () => {
    const ends = pair(3, badNetwork);
    transfer(ends, someOctets(3, 50_000));
    ends.network.run(120_000);
    const { counters } = ends.link.a2b;
    const left =
      counters.intercepted + counters.tooLong + counters.backlogged + counters.lost + counters.delivered;
    expect(counters.sent + counters.injected + counters.duplicated).toBe(left);
  });

  test('a port nobody listens on answers with RST', () => {
    const { network, client, server } = pair(1);
    const connection = client.tcp.connect({ address: 'fd00::2', port: 81 });
    let reason = '';
    connection.onReset = (why) => void (reason = why);
    network.run(100);
    expect(reason).toBe('peer');
    expect(server.rejected).toEqual({ noSocket: 1 });
  });

  test('a peer that never answers ends in a timeout after the bounded retries', () => {
    const { network, client } = pair(1, { faults: { loss: 1 } });
    const connection = client.tcp.connect({ address: '10.0.0.2', port: 80 });
    let reason = '';
    connection.onReset = (why) => void (reason = why);
    expect(network.runUntil(() => reason !== '', 600_000)).toBe(true);
    expect(reason).toBe('timeout');
    expect(connection.counters.retransmissions).toBe(6);
    expect(client.tcp.open).toBe(0);
  });

  test('each side knows the other as getpeername() would', () => {
    const { network, client, server } = pair(1);
    const seen: unknown[] = [];
    server.tcp.listen(80, ({ peer, local }) => void seen.push({ peer, local }));
    const connection = client.tcp.connect({ address: '10.0.0.2', port: 80, localPort: 4321 });
    network.run(100);
    expect(connection.state).toBe('established');
    expect(seen).toEqual([
      { peer: { address: '10.0.0.1', port: 4321 }, local: { address: '10.0.0.2', port: 80 } },
    ]);
    expect(connection.peer).toEqual({ address: '10.0.0.2', port: 80 });
  });

  test('a simultaneous open makes one connection (RFC 9293 section 3.5)', () => {
    const { network, client, server } = pair(5);
    const one = client.tcp.connect({ address: '10.0.0.2', port: 1000, localPort: 1000 });
    const other = server.tcp.connect({ address: '10.0.0.1', port: 1000, localPort: 1000 });
    const got: Uint8Array[] = [];
    other.onData = (octets) => void got.push(octets);
    one.write(Uint8Array.of(1, 2, 3));
    network.run(1000);
    expect([one.state, other.state]).toEqual(['established', 'established']);
    expect(got).toEqual([Uint8Array.of(1, 2, 3)]);
  });

  test('a forged RST or SYN inside the window is only challenged (RFC 5961)', () => {
    const { network, link, client, server } = pair(5);
    let accepted: TcpConnection | undefined;
    server.tcp.listen(80, (connection) => void (accepted = connection));
    const packets = capture(link);
    const connection = client.tcp.connect({ address: '10.0.0.2', port: 80 });
    network.run(100);
    const last = packets.findLast(({ direction }) => direction === 'a2b')!;
    const packet = parseIp(last.octets);
    if (typeof packet === 'string') throw new Error(packet);
    const { seq, ack, sport, dport } = parseSegment(last.octets, packet);
    const forge = (flags: number, at: number): void => {
      link.inject(buildTcp({ src: '10.0.0.1', dst: '10.0.0.2', sport, dport, seq: at, ack, flags }), 'a2b');
      network.run(100);
    };
    forge(0x04, seq + 100);
    forge(0x02, seq + 100);
    expect(accepted!.counters.challenges).toBe(2);
    expect([accepted!.state, connection.state]).toEqual(['established', 'established']);
    forge(0x04, seq);
    expect(accepted!.state).toBe('closed');
  });

  /** A finished connection of which the server has not learnt that its FIN arrived. */
  function lastAck(): { ends: Pair; events: string[] } {
    const ends = pair(5);
    const events: string[] = [];
    ends.server.tcp.listen(80, (connection) => {
      connection.onEnd = () => connection.close();
      connection.onClose = () => void events.push('server closed');
      connection.onReset = (reason) => void events.push(`server reset: ${reason}`);
    });
    const connection = ends.client.tcp.connect({ address: '10.0.0.2', port: 80 });
    connection.onClose = () => {
      events.push('client closed');
      ends.link.a2b.faults = { ...ends.link.a2b.faults, loss: 1 };
    };
    ends.network.run(100);
    connection.close();
    // The client's answer to the FIN leaves before onClose is called; hold it back too.
    ends.link.interceptor = (octets, direction) =>
      direction === 'a2b' && octets[33] === 0x10 ? undefined : octets;
    ends.network.run(100);
    expect(events).toEqual(['client closed']);
    return { ends, events };
  }

  test('TIME-WAIT lasts as long as FINs are repeated (RFC 9293 section 3.10.7.4)', () => {
    const { ends, events } = lastAck();
    ends.network.run(65_000);
    expect(ends.client.tcp.open).toBe(1);
    ends.link.interceptor = undefined;
    ends.link.a2b.faults = { ...ends.link.a2b.faults, loss: 0 };
    ends.network.run(20_000);
    expect(events).toEqual(['client closed', 'server closed']);
  });

  test('an RST in LAST-ACK closes without an error', () => {
    const { ends, events } = lastAck();
    ends.link.b2a.faults = { ...ends.link.b2a.faults, loss: 1 };
    ends.network.run(61_000);
    expect(ends.client.tcp.open).toBe(0);
    ends.link.interceptor = undefined;
    for (const channel of [ends.link.a2b, ends.link.b2a]) channel.faults = { ...channel.faults, loss: 0 };
    ends.network.run(20_000);
    expect(events).toEqual(['client closed', 'server closed']);
    expect(ends.client.rejected).toEqual({ noSocket: 1 });
  });

  test('abort resets the peer', () => {
    const { network, client, server } = pair(5);
    let reason = '';
    server.tcp.listen(80, (connection) => void (connection.onReset = (why) => void (reason = why)));
    const connection = client.tcp.connect({ address: '10.0.0.2', port: 80 });
    network.run(100);
    connection.abort();
    network.run(100);
    expect(reason).toBe('peer');
    expect(() => connection.write(Uint8Array.of(1))).toThrow('closed');
  });
});
