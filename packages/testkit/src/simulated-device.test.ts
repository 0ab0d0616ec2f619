import {
  Batch,
  describeStage,
  deviceDescriptor,
  deviceStage,
  Graph,
  GraphBuilder,
  PacketPool,
  stageFactory,
  StageRegistry,
  unaccounted,
} from '@ngisec/core';
import { ip, ipv4 } from '@ngisec/wire';
import { capture } from './capture.ts';
import { Stack } from './endpoint/stack.ts';
import { buildUdp } from './packet-builders.ts';
import { directPorts } from './port.ts';
import { preparePacket } from './prepare-packet.ts';
import { SimulatedDevice } from './simulated-device.ts';
import { SimulatedNetwork } from './simulated-network.ts';

const [HOST, PEER] = ['10.0.0.1', '10.0.0.2'];

const turnDescriptor = describeStage({
  kind: 'turn',
  summary: 'Packets from the host go out, others in; checksums are left to the device.',
  specifications: [],
  inputs: { in: { accepts: ['raw'], description: '' } },
  outputs: { outbound: { emits: 'clear', description: '' }, inbound: { emits: 'clear', description: '' } },
  options: {},
  counters: {},
  drops: { malformed: 'Not IP.' },
});

const turn = stageFactory(turnDescriptor, ({ outputs, drops, pool }) => ({
  inputs: {
    in: ({ packets, length }: Batch) => {
      for (let index = 0; index < length; index += 1) {
        const packet = packets[index]!;
        if (!preparePacket(pool, packet)) {
          drops.malformed.drop(packet);
          continue;
        }
        const at = pool.transport[packet]! + ip.checksumOffset(pool.protocol[packet]!);
        pool.bytes.fill(0, at, at + 2);
        pool.checksumPending[packet] = 1;
        const isOwn = pool.bytes[pool.start[packet]! + ipv4.SOURCE + 3] === 1;
        (isOwn ? outputs.outbound : outputs.inbound).push(packet);
      }
    },
  },
}));

function host(
  options: { poolPackets?: number; queuePackets?: number; intercepts?: (octets: Uint8Array) => boolean } = {},
) {
  const network = new SimulatedNetwork(1);
  const link = network.link();
  const [upper, lower] = directPorts();
  const stack = new Stack(network, { addresses: [HOST] }, upper);
  const peer = new Stack(network, { addresses: [PEER] }, link.b);
  const { queuePackets = 1024, intercepts = () => true } = options;
  const device = new SimulatedDevice(network, {
    role: 'host',
    inside: lower,
    outside: link.a,
    queuePackets,
    intercepts,
  });
  const pool = new PacketPool({ packets: options.poolPackets ?? 64 });
  const builder = new GraphBuilder();
  const [io, middle] = [builder.add('io', deviceDescriptor), builder.add('turn', turnDescriptor)];
  builder
    .link(io.out.rx, middle.in.in)
    .link(middle.out.outbound, io.in.outbound)
    .link(middle.out.inbound, io.in.inbound);
  const registry = new StageRegistry([deviceStage(device), turn]);
  const graph = new Graph(builder.spec(), { pool, clock: network.clock, registry });
  let polls = 0;
  device.onReadable = () => {
    polls += 1;
    graph.poll();
  };
  return { network, link, stack, peer, device, pool, graph, polls: () => polls };
}

describe('a host’s device', () => {
  test('carries a TCP connection through a graph, checksums completed on the way', () => {
    const { network, stack, peer, graph, pool, device } = host();
    const data = new Uint8Array(100_000).map((_, index) => index);
    const got: Uint8Array[] = [];
    peer.tcp.listen(80, (connection) => {
      connection.onData = (octets) => void got.push(octets);
      connection.onEnd = () => connection.close();
    });
    const connection = stack.tcp.connect({ address: PEER, port: 80 });
    connection.write(data);
    connection.close();
    network.run(1000);
    expect(connection.state).toBe('timeWait');
    expect(Buffer.compare(Buffer.concat(got), data)).toBe(0);
    expect(connection.counters.retransmissions).toBe(0);
    expect([stack.rejected, peer.rejected]).toEqual([{}, {}]);
    for (const report of Object.values(graph.report())) expect(unaccounted(report)).toBe(0);
    expect(pool.available).toBe(pool.capacity);
    expect(device.counters.received).toBe(device.counters.transmitted);
  });

  test('packets that arrive together make one poll, at their time', () => {
    const { network, stack, polls } = host();
    const socket = stack.udp.bind(5);
    for (let index = 0; index < 10; index += 1) socket.sendTo(PEER, 9, Uint8Array.of(index));
    expect(polls()).toBe(0);
    network.run(0);
    expect(polls()).toBe(1);
  });

  test('leaves half of the pool free and comes back for the rest', () => {
    const { network, stack, peer, polls } = host({ poolPackets: 16 });
    const socket = stack.udp.bind(5);
    for (let index = 0; index < 20; index += 1) socket.sendTo(PEER, 9, Uint8Array.of(index));
    network.run(10);
    expect(peer.rejected).toEqual({ noSocket: 20 });
    expect(polls()).toBe(3);
  });

  test('waits, and does not spin, while the pool is short', () => {
    const { network, stack, peer, pool, polls } = host({ poolPackets: 16 });
    const kept = Array.from({ length: 10 }, () => pool.allocate());
    stack.udp.bind(5).sendTo(PEER, 9, Uint8Array.of(1));
    network.run(5.5);
    expect(polls()).toBe(6);
    for (const packet of kept) pool.release(packet);
    network.run(3);
    expect(peer.rejected).toEqual({ noSocket: 1 });
  });

  test('counts what its queue or the pool cannot take', () => {
    const { network, stack, link, device } = host({ queuePackets: 4 });
    const socket = stack.udp.bind(5);
    for (let index = 0; index < 6; index += 1) socket.sendTo(PEER, 9, Uint8Array.of(index));
    expect([device.queued, device.counters.queueFull]).toEqual([4, 2]);
    network.run(10);
    link.inject(buildUdp({ src: PEER, dst: HOST, sport: 9, dport: 5, payload: new Uint8Array(1900) }), 'b2a');
    network.run(10);
    expect(device.counters.tooLong).toBe(1);
  });

  test('what it does not intercept goes past the graph, both ways', () => {
    const { network, stack, device, polls } = host({ intercepts: () => false });
    const { replies } = stack.icmp.ping(PEER, 2);
    network.run(5000);
    expect(replies.length).toBe(2);
    expect(polls()).toBe(0);
    expect(device.counters.bypassed).toBe(4);
  });
});

describe('a gateway’s device', () => {
  test('is one hop, and drops what has none left', () => {
    const network = new SimulatedNetwork(1);
    const [lan, wan] = [network.link(), network.link()];
    const device = new SimulatedDevice(network, {
      role: 'gateway',
      inside: lan.b,
      outside: wan.a,
      intercepts: () => false,
    });
    const seen = capture(wan);
    const inner = new Stack(network, { addresses: [HOST] }, lan.a);
    new Stack(network, { addresses: [PEER] }, wan.b);
    const { replies } = inner.icmp.ping(PEER);
    inner.emit(buildUdp({ src: HOST, dst: PEER, sport: 1, dport: 2, ttl: 1 }));
    network.run(100);
    expect(replies.length).toBe(1);
    expect(seen.map(({ octets }) => ipv4.timeToLive(octets, 0))).toEqual([63, 64]);
    expect(device.counters.ttlExpired).toBe(1);
  });
});
