import {
  ClockToken,
  PacketDeviceToken,
  PacketPool,
  PacketPoolToken,
  RandomToken,
  seededRandom,
  unaccounted,
  VirtualClock,
} from '@ngisec/core';
import { assemble, type Loaded, type Node } from '@ngisec/runtime';
import { ContainerModule } from 'inversify';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { FuzzDevice } from '../test/fuzz-device.ts';
import { captureRun, openAll, stackPackets } from '../test/fuzz-seeds.ts';
import { MemoryLaboratory } from './memory/laboratory.ts';
import type { NodeName } from './topology.ts';

const PACKETS = 500_000;
const ROUND = 100_000;
/** Virtual time between batches: long enough that flows and bindings end during the run. */
const BATCH_MS = 500;
const MEBIBYTE = 1024 * 1024;
const HEAP_GROWTH_MAX = 8 * MEBIBYTE;
const RESIDENT_GROWTH_MAX = 64 * MEBIBYTE;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function memory(): { heap: number; resident: number } {
  collectGarbage();
  const { heapUsed, arrayBuffers, rss } = process.memoryUsage();
  return { heap: heapUsed + arrayBuffers, resident: rss };
}

interface Subject {
  readonly node: Node;
  readonly device: FuzzDevice;
  readonly clock: VirtualClock;
}

/** The node as its files describe it, in front of a device that mutates what a real run showed. */
function subject(lab: MemoryLaboratory, name: NodeName, captured: readonly Uint8Array[]): Subject {
  const { loaded } = lab.nodes.get(name)!;
  const senders = [...lab.nodes.values()].map(({ node }) => node.sad);
  const reader = assembleWith(loaded, new VirtualClock(), new FuzzDevice(seededRandom(1), captured, []));
  const clear = openAll(captured, reader.sad, senders);
  reader.sad.clear();
  const clock = new VirtualClock();
  const device = new FuzzDevice(seededRandom(20261122), [...captured, ...stackPackets()], clear);
  return { node: assembleWith(loaded, clock, device), device, clock };
}

function assembleWith(
  { application, configuration, keyFile }: Loaded,
  clock: VirtualClock,
  device: FuzzDevice,
): Node {
  const surroundings = new ContainerModule(({ bind, rebind }) => {
    rebind(ClockToken).toConstantValue(clock);
    rebind(RandomToken).toConstantValue(seededRandom(3));
    rebind(PacketPoolToken).toConstantValue(new PacketPool());
    bind(PacketDeviceToken).toConstantValue(device);
  });
  return assemble(application, configuration, keyFile.channels, surroundings);
}

/** Every drop so far, as `stage.reason`, those that happened. */
function dropsOf({ graph }: Node): Map<string, number> {
  const all = Object.entries(graph.report()).flatMap(([stage, { drops }]) =>
    Object.entries(drops).map(([reason, count]) => [`${stage}.${reason}`, count] as const),
  );
  return new Map(all.filter(([, count]) => count > 0));
}

/** Reasons that only packets which got deep into the graph come to. */
const deep: Partial<Record<NodeName, readonly string[]>> = {
  'host-b': [
    'check.badHeaderChecksum',
    'check.fragment',
    'open.forged',
    'open.replayed',
    'open.wrongPeer',
    'flows.wrongChannel',
    'flows.unknownMessage',
    'flows.unexpectedPayload',
  ],
  'gw-b': [
    'check.badTransport',
    'from-lan.undeclaredControl',
    'from-wan.unprotected',
    'lan-open.forged',
    'wan-open.wrongPeer',
    'duplicate.unexpectedPayload',
    'nat.noBinding',
    'nat.noPeer',
    'reverse-nat.noDuplicate',
    'reverse-nat.wrongPrefix',
    'reverse-nat.noBinding',
  ],
};

describe('F31 1,000,000 seeded random, truncated and mutated packets through both apps’ graphs', () => {
  let lab: MemoryLaboratory;
  let captured: readonly Uint8Array[];

  beforeAll(async () => {
    lab = await MemoryLaboratory.open('vpn', 31);
    captured = captureRun(lab);
  });

  afterAll(() => lab.close());

  test.each<[string, NodeName]>([
    ['host', 'host-b'],
    ['gateway', 'gw-b'],
  ])(
    `%s: ${PACKETS} packets: no throw, every packet accounted for, memory flat`,
    (app, name) => {
      const { node, device, clock } = subject(lab, name, captured);
      const { graph } = node;
      const figures: { heap: number; resident: number }[] = [];
      const startMs = performance.now();
      for (let round = 1; device.delivered < PACKETS; round += 1) {
        while (device.delivered < round * ROUND) {
          graph.poll();
          clock.advance(BATCH_MS);
        }
        expect([...graph.failures()]).toEqual([]);
        for (const [stage, report] of Object.entries(graph.report()))
          expect([stage, unaccounted(report)]).toEqual([stage, 0]);
        expect(graph.pool.available).toBe(graph.pool.capacity);
        figures.push(memory());
      }
      const seconds = (performance.now() - startMs) / 1000;
      const drops = dropsOf(node);
      const inMebibytes = figures
        .map(({ heap, resident }) => `${(heap / MEBIBYTE).toFixed(1)}/${(resident / MEBIBYTE).toFixed(0)}`)
        .join(' ');
      const { outbound, inbound } = device.sent;
      process.stdout.write(
        `fuzz ${app}: ${device.delivered} packets in ${seconds.toFixed(1)} s, ${outbound} sent outbound, ${inbound} inbound, ` +
          `${drops.size} drop reasons met; heap/resident MiB after each ${ROUND}: ${inMebibytes}\n`,
      );

      expect(device.malformed).toBe(0);
      expect(outbound).toBeGreaterThan(1000);
      expect(inbound).toBeGreaterThan(1000);
      expect(deep[name]!.filter((reason) => !drops.has(reason))).toEqual([]);
      const [warm, last] = [figures[0]!, figures.at(-1)!];
      const growth = { heap: last.heap - warm.heap, resident: last.resident - warm.resident };
      const isFlat = growth.heap <= HEAP_GROWTH_MAX && growth.resident <= RESIDENT_GROWTH_MAX;
      expect([isFlat, inMebibytes]).toEqual([true, inMebibytes]);
      graph.stop();
      node.sad.clear();
    },
    120_000,
  );
});
