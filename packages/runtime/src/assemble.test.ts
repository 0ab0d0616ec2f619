import {
  ClockToken,
  limits,
  PacketDeviceToken,
  PacketPool,
  PacketPoolToken,
  RandomToken,
  seededRandom,
  systemClock,
  VirtualClock,
  type PacketDevice,
} from '@ngisec/core';
import { chooseProvider, CryptoProviderToken, keyMaterialBytes, type ChannelParameters } from '@ngisec/ipsec';
import { buildUdp, directPorts, SimulatedDevice, type PacketPort } from '@ngisec/testkit';
import { ContainerModule } from 'inversify';
import { readFileSync } from 'node:fs';
import { relay } from '../test/relay.module.ts';
import { Workbench } from '../test/workbench.ts';
import { assemble, type Node } from './assemble.ts';
import { load, type Loaded } from './load.ts';
import { reportOf, writeReport } from './report.ts';

const datagram = buildUdp({
  src: '192.0.2.1',
  dst: '198.51.100.7',
  sport: 4000,
  dport: 53,
  payload: new Uint8Array(9),
});
const silent: PacketDevice = { name: 'silent', receive: () => 0, transmit: () => 0 };

const onlyDevice = (device: PacketDevice): ContainerModule =>
  new ContainerModule(({ bind }) => void bind(PacketDeviceToken).toConstantValue(device));

let bench: Workbench;
let loaded: Loaded;
beforeAll(async () => {
  bench = new Workbench();
  loaded = await load(bench.node, async () => relay);
});
afterAll(() => bench.close());

const start = (surroundings: ContainerModule, channels = loaded.keyFile.channels): Node =>
  assemble(loaded.application, loaded.configuration, channels, surroundings);

/** A node in virtual time with its own pool, and the ports of the two sides of its device. */
function simulated(seed: number): {
  node: Node;
  clock: VirtualClock;
  pool: PacketPool;
  inside: PacketPort;
  outside: PacketPort;
} {
  const clock = new VirtualClock();
  const pool = new PacketPool({ packets: 8 });
  const [inside, deviceInside] = directPorts();
  const [outside, deviceOutside] = directPorts();
  const device = new SimulatedDevice(
    { clock },
    { role: 'host', inside: deviceInside, outside: deviceOutside },
  );
  const node = start(
    new ContainerModule(({ bind, rebind }) => {
      bind(PacketDeviceToken).toConstantValue(device);
      rebind(ClockToken).toConstantValue(clock);
      rebind(RandomToken).toConstantValue(seededRandom(seed));
      rebind(PacketPoolToken).toConstantValue(pool);
    }),
  );
  device.onReadable = () => void node.graph.poll();
  return { node, clock, pool, inside, outside };
}

describe('assemble', () => {
  test('#137 clock, random source, pool and device of the surroundings reach the stages', () => {
    const { node, clock, pool, inside, outside } = simulated(7);
    const sent: Uint8Array[] = [];
    outside.onPacket = (octets) => void sent.push(octets);
    clock.advance(1234);
    inside.send(datagram);
    clock.advance(1);
    expect(sent).toEqual([datagram]);
    expect(node.graph.report()['relay']!.counters).toEqual({
      clockMs: 1234,
      drawn: seededRandom(7).integer(0x1_0000_0000),
    });
    expect(node.graph.pool).toBe(pool);
    expect(pool.available).toBe(8);
  });

  test('#137 what the surroundings leave alone is the machine’s', () => {
    const pools: PacketPool[] = [];
    const device: PacketDevice = {
      name: 'one packet',
      receive: (batch) => {
        if (pools.push(batch.pool) === 1) batch.push(batch.pool.allocateCopy(datagram));
        return batch.length;
      },
      transmit: ({ pool, packets, length }) => {
        for (let index = 0; index < length; index += 1) pool.release(packets[index]!);
        return 0;
      },
    };
    const node = start(onlyDevice(device));
    const beforeMs = systemClock.nowMs();
    node.graph.poll();
    const { clockMs } = node.graph.report()['relay']!.counters;
    expect(clockMs).toBeGreaterThanOrEqual(beforeMs);
    expect(clockMs).toBeLessThanOrEqual(systemClock.nowMs());
    expect(pools[0]!.capacity).toBe(limits.poolPackets);
  });

  test('#137 the crypto provider is rebound like everything else', () => {
    const made: string[] = [];
    const node = start(
      new ContainerModule(({ bind, rebind }) => {
        bind(PacketDeviceToken).toConstantValue(silent);
        rebind(CryptoProviderToken).toConstantValue({
          ...chooseProvider('noble').provider,
          aead: (suite) => {
            made.push(suite);
            return {
              nonce: new Uint8Array(12),
              associated: new Uint8Array(256),
              associatedLength: 0,
              seal: () => undefined,
              open: () => false,
              destroy: () => undefined,
            };
          },
        });
      }),
    );
    expect([node.sad.providerName, made]).toEqual(['noble', ['aes-128-gcm', 'aes-128-gcm']]);
  });

  test('F32 two nodes in one process share nothing', () => {
    const [first, second] = [simulated(1), simulated(2)];
    expect(first.node.sad).not.toBe(second.node.sad);
    const out = { first: 0, second: 0 };
    first.outside.onPacket = () => void (out.first += 1);
    second.outside.onPacket = () => void (out.second += 1);
    for (let count = 0; count < 3; count += 1) first.inside.send(datagram);
    first.clock.advance(1);
    second.clock.advance(1);
    expect(out).toEqual({ first: 3, second: 0 });
    expect(second.node.graph.report()['device']!.created).toBe(0);
    first.node.graph.stop();
    first.node.sad.clear();
    second.inside.send(datagram);
    second.clock.advance(1);
    expect(out).toEqual({ first: 3, second: 1 });
    expect(second.node.sad.named('bob')).toBeDefined();
  });

  test('a channel that no SAD takes is refused: the surroundings cannot slip past the key file', () => {
    const [channel] = loaded.keyFile.channels;
    const short: ChannelParameters = {
      ...channel!,
      inbound: { ...channel!.inbound, keyMaterial: new Uint8Array(keyMaterialBytes('aes-128-gcm') - 1) },
    };
    expect(() => start(onlyDevice(silent), [short])).toThrow(
      new RangeError('aes-128-gcm takes 20 octets of keying material, not 19'),
    );
  });
});

describe('the report of a node', () => {
  test('F26 has the counters of every stage, accounts for every packet, and holds no key', () => {
    const { node, clock, inside, outside } = simulated(3);
    outside.onPacket = () => undefined;
    inside.send(datagram);
    clock.advance(1);
    const report = reportOf(loaded.configuration, node);
    const noDrops = { unconnected: 0, stageFailed: 0 };
    expect(report).toEqual({
      app: 'relay',
      name: 'alice',
      crypto: node.sad.providerName,
      channels: ['bob'],
      stages: {
        device: {
          kind: 'device',
          received: 1,
          created: 1,
          delivered: 1,
          held: 0,
          emitted: { rx: 1 },
          drops: noDrops,
          counters: { refused: 0 },
        },
        relay: {
          kind: 'test/relay',
          received: 1,
          created: 0,
          delivered: 0,
          held: 0,
          emitted: { out: 1 },
          drops: noDrops,
          counters: { clockMs: 0, drawn: expect.any(Number) },
        },
      },
      unaccounted: 0,
      failures: [],
      poolAvailable: 8,
      poolCapacity: 8,
    });
    expect(JSON.stringify(report)).not.toMatch(/0011223344|ffeeddccbb/i);
  });

  test('counts a packet that a device lost, and names a stage that failed', () => {
    const pool = new PacketPool({ packets: 8 });
    const faulty: PacketDevice = {
      name: 'faulty',
      receive: (batch) => {
        batch.push(pool.allocateCopy(datagram));
        // One more than it brought.
        return 2;
      },
      transmit: () => {
        throw new Error('cable cut');
      },
    };
    const node = start(
      new ContainerModule(({ bind, rebind }) => {
        bind(PacketDeviceToken).toConstantValue(faulty);
        rebind(PacketPoolToken).toConstantValue(pool);
      }),
    );
    node.graph.poll();
    const { unaccounted, failures, stages } = reportOf(loaded.configuration, node);
    expect(unaccounted).toBe(1);
    expect(failures).toEqual(['device: Error: cable cut']);
    expect(stages['device']!.drops['stageFailed']).toBe(1);
  });

  test('is written in one step', () => {
    const { node } = simulated(3);
    const path = `${bench.directory}/report.json`;
    const report = reportOf(loaded.configuration, node);
    writeReport(path, report);
    writeReport(path, report);
    expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual(report);
  });
});
