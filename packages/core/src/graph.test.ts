import fc from 'fast-check';
import { Batch } from './batch.ts';
import { VirtualClock } from './clock.ts';
import { describeStage } from './descriptor.ts';
import { deviceStage } from './device-stage.ts';
import type { Heading, PacketDevice } from './device.ts';
import type { GraphSpec } from './graph-spec.ts';
import { Graph, unaccounted } from './graph.ts';
import { limits } from './limits.ts';
import { PacketPool } from './packet-pool.ts';
import { StageRegistry } from './registry.ts';
import { stageFactory, type StageFactory } from './stage.ts';

// Lengths up to the maximum that an arbitrary names; by default most stay near ten.
fc.configureGlobal({ defaultSizeToMaxWhenMaxSpecified: true });

/** A device whose far side are two arrays. */
class ArrayDevice implements PacketDevice {
  readonly name = 'array';
  readonly waiting: Uint8Array[] = [];
  readonly sent: { heading: Heading; octets: number[] }[] = [];
  refuses = 0;

  receive(batch: Batch): number {
    const count = Math.min(this.waiting.length, batch.packets.length, batch.pool.available >>> 1);
    for (const octets of this.waiting.splice(0, count)) batch.push(batch.pool.allocateCopy(octets));
    return count;
  }

  transmit(batch: Batch, heading: Heading): number {
    for (let index = 0; index < batch.length; index += 1) {
      const packet = batch.packets[index]!;
      this.sent.push({ heading, octets: [...batch.pool.octets(packet)] });
      batch.pool.release(packet);
    }
    return this.refuses;
  }
}

const shape = {
  summary: '',
  specifications: [],
  inputs: { in: { accepts: ['raw', 'clear'], description: '' } },
  outputs: {
    out: { emits: 'clear', description: '' },
    other: { emits: 'clear', description: '', optional: true },
  },
  options: {},
  counters: { batches: { unit: 'operations', description: '' } },
  drops: { unwanted: '' },
} as const;

/** A stage by what it does with one packet, the packet's first octet being its number. */
const perPacket = (
  kind: string,
  handle: (packet: number, number: number, context: Context) => void,
): StageFactory =>
  stageFactory(describeStage({ ...shape, kind }), (context) => ({
    inputs: {
      in: ({ packets, length, pool }) => {
        context.counters.batches.add(1);
        for (let index = 0; index < length; index += 1) {
          const packet = packets[index]!;
          handle(packet, pool.bytes[pool.start[packet]!]!, context);
        }
      },
    },
  }));
type Context = Parameters<Parameters<typeof stageFactory<typeof shape & { kind: string }>>[1]>[0];

const pass = perPacket('pass', (packet, _, { outputs }) => outputs.out.push(packet));
const split = perPacket('split', (packet, number, { outputs }) =>
  outputs[number % 2 ? 'other' : 'out'].push(packet),
);
const dropThirds = perPacket('drop', (packet, number, { outputs, drops }) =>
  number % 3 === 0 ? drops.unwanted.drop(packet) : outputs.out.push(packet),
);
const duplicate = perPacket('create', (packet, _, { outputs, pool, created }) => {
  outputs.out.push(packet);
  const copy = pool.allocateCopy(pool.bytes, pool.start[packet], pool.end[packet]);
  if (copy < 0) return;
  created.add(1);
  outputs.out.push(copy);
});
const deliver = perPacket('deliver', (packet, _, { pool, delivered }) => {
  delivered.add(1);
  pool.release(packet);
});
/** Passes packets, drops every fifth, throws at number 7: some of a batch have left by then, some have not. */
const fail = perPacket('fail', (packet, number, { outputs, drops }) => {
  if (number === 7) throw new Error('seven');
  if (number % 5 === 0) drops.unwanted.drop(packet);
  else outputs.out.push(packet);
});
/** Keeps every packet until the next tick. */
const hold = stageFactory(describeStage({ ...shape, kind: 'hold' }), ({ outputs }) => {
  const kept: number[] = [];
  return {
    inputs: { in: ({ packets, length }) => void kept.push(...packets.subarray(0, length)) },
    held: () => kept.length,
    tick: () => {
      for (const packet of kept.splice(0)) outputs.out.push(packet);
    },
  };
});
const restless = stageFactory(describeStage({ ...shape, kind: 'restless' }), ({ outputs }) => ({
  inputs: {
    in: ({ packets, length }) => packets.subarray(0, length).forEach((packet) => outputs.out.push(packet)),
  },
  tick: () => {
    throw new Error('no rest');
  },
}));

const KINDS = [pass, split, dropThirds, duplicate, deliver, fail, hold, restless];

/** device -> each kind in turn -> device; a kind named `split` leaves its odd packets to an unconnected output. */
function line(kinds: readonly string[], poolPackets = 64) {
  const device = new ArrayDevice();
  const registry = new StageRegistry([deviceStage(device), ...KINDS]);
  const pool = new PacketPool({ packets: poolPackets, slotBytes: 128, headroomBytes: 32 });
  const clock = new VirtualClock();
  const names = kinds.map((kind, index) => `${kind}${index}`);
  const ports = ['device.rx', ...names.flatMap((name) => [`${name}.in`, `${name}.out`]), 'device.inbound'];
  const spec: GraphSpec = {
    stages: {
      device: { kind: 'device' },
      ...Object.fromEntries(names.map((name, index) => [name, { kind: kinds[index]! }])),
    },
    links: Array.from(
      { length: ports.length / 2 },
      (_, index) => `${ports[2 * index]} -> ${ports[2 * index + 1]}`,
    ),
  };
  const graph = new Graph(spec, { pool, clock, registry });
  /** One pass, late enough that housekeeping is due. */
  const poll = (): number => {
    clock.advance(limits.tickMs);
    return graph.poll();
  };
  const enter = (...numbers: number[]): number =>
    device.waiting.push(...numbers.map((number) => Uint8Array.of(number, 1)));
  return { device, pool, graph, poll, enter };
}

const numbers = (sent: ArrayDevice['sent']): number[] => sent.map(({ octets }) => octets[0]!);
const upTo = (count: number): number[] => Array.from({ length: count }, (_, number) => number);

describe('F6 every packet is accounted for', () => {
  test('passed: in at the device, out at the device, in order', () => {
    const { device, pool, graph, poll, enter } = line(['pass', 'pass']);
    enter(...upTo(10));
    expect(poll()).toBe(10);
    expect(device.sent).toEqual(upTo(10).map((number) => ({ heading: 'inbound', octets: [number, 1] })));
    const { device: ends, pass0 } = graph.report();
    expect(ends).toMatchObject({
      kind: 'device',
      created: 10,
      received: 10,
      delivered: 10,
      emitted: { rx: 10 },
      held: 0,
    });
    expect(pass0).toEqual({
      kind: 'pass',
      received: 10,
      created: 0,
      delivered: 0,
      held: 0,
      emitted: { out: 10, other: 0 },
      drops: { unwanted: 0, unconnected: 0, stageFailed: 0 },
      counters: { batches: 1 },
    });
    expect(pool.available).toBe(pool.capacity);
    expect(poll()).toBe(0);
  });

  test('split: what an unconnected output emits is dropped and counted', () => {
    const { device, pool, graph, poll, enter } = line(['split']);
    enter(...upTo(9));
    poll();
    expect(numbers(device.sent)).toEqual([0, 2, 4, 6, 8]);
    expect(graph.report()['split0']).toMatchObject({
      emitted: { out: 5, other: 0 },
      drops: { unconnected: 4 },
    });
    expect(unaccounted(graph.report()['split0']!)).toBe(0);
    expect(pool.available).toBe(pool.capacity);
  });

  test('held: counted as held until the tick, then emitted', () => {
    const { device, pool, graph, enter } = line(['pass', 'hold']);
    enter(1, 2, 3);
    // No time has passed since the graph was made; its first pass may or may not tick.
    graph.poll();
    const { held, emitted } = graph.report()['hold1']!;
    expect(held + emitted['out']!).toBe(3);
    expect(pool.available).toBe(pool.capacity - held);
    expect(numbers(device.sent)).toHaveLength(3 - held);
  });

  test('refused by the far side: counted, and delivered all the same', () => {
    const { device, graph, poll, enter } = line(['pass']);
    device.refuses = 2;
    enter(1, 2, 3);
    poll();
    expect(graph.report()['device']).toMatchObject({ delivered: 3, counters: { refused: 2 } });
  });

  test('in any line of stages that pass, split, drop, hold, create, deliver and throw, at every pass', () => {
    const kinds = fc.constantFrom(...KINDS.map(({ descriptor }) => descriptor.kind));
    const passes = fc.array(fc.array(fc.nat(12), { maxLength: 40 }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(
        fc.array(kinds, { minLength: 1, maxLength: 6 }),
        fc.integer({ min: 2, max: 64 }),
        passes,
        (stages, packets, runs) => {
          const { pool, graph, poll, enter } = line(stages, packets);
          for (const run of runs) {
            enter(...run);
            poll();
            const reports = Object.values(graph.report());
            expect(reports.map(unaccounted)).toEqual(reports.map(() => 0));
            const held = reports.reduce((sum, report) => sum + report.held, 0);
            expect(pool.available).toBe(pool.capacity - held);
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  test('unaccounted tells a packet that was lost, and one too many', () => {
    const { graph, poll, enter } = line(['pass']);
    enter(1, 2);
    poll();
    const report = graph.report()['pass0']!;
    expect(unaccounted({ ...report, emitted: { out: 1 } })).toBe(1);
    expect(unaccounted({ ...report, drops: { unwanted: 1 } })).toBe(-1);
    expect(unaccounted({ ...report, held: 1, created: 1 })).toBe(0);
  });
});

describe('F26 a stage that throws', () => {
  test('loses of its batch what it had not passed on or dropped, and nothing else', () => {
    const { device, pool, graph, poll, enter } = line(['pass', 'fail', 'pass']);
    enter(...upTo(12));
    poll();
    // 0 and 5 were dropped, 1 to 4 and 6 had been passed on, 7 to 11 were lost.
    expect(numbers(device.sent)).toEqual([1, 2, 3, 4, 6]);
    expect(graph.report()['fail1']).toMatchObject({
      received: 12,
      emitted: { out: 5 },
      drops: { unwanted: 2, stageFailed: 5 },
    });
    expect(unaccounted(graph.report()['fail1']!)).toBe(0);
    expect(graph.report()['pass0']).toMatchObject({ emitted: { out: 12 }, drops: { stageFailed: 0 } });
    expect(pool.available).toBe(pool.capacity);
    expect([...graph.failures()]).toEqual([['fail1', new Error('seven')]]);
  });

  test('works on with the next batch, as does everything else', () => {
    const { device, pool, graph, poll, enter } = line(['fail', 'hold', 'pass']);
    expect(graph.failures().size).toBe(0);
    enter(7);
    poll();
    enter(1, 2);
    poll();
    poll();
    expect(numbers(device.sent)).toEqual([1, 2]);
    expect(graph.report()['fail0']!.drops['stageFailed']).toBe(1);
    expect(pool.available).toBe(pool.capacity);
  });

  test('in its housekeeping neither stops the graph nor the housekeeping of others', () => {
    const { device, graph, poll, enter } = line(['restless', 'hold']);
    enter(1, 2);
    poll();
    poll();
    expect(numbers(device.sent)).toEqual([1, 2]);
    expect(graph.failures().get('restless0')).toEqual(new Error('no rest'));
  });
});

test('F21 more than a batch leaves in batches of at most 256', () => {
  const { device, graph, poll, enter } = line(['create', 'pass'], 1024);
  enter(...upTo(200));
  poll();
  expect(device.sent).toHaveLength(400);
  expect(graph.report()['pass1']!.counters['batches']).toBe(2);
});

test('stop: nothing runs any more, and stages hear of it', () => {
  let stops = 0;
  const stage = stageFactory(describeStage({ ...shape, kind: 'stage' }), () => ({
    inputs: { in: () => undefined },
    stop: () => (stops += 1),
  }));
  const device = new ArrayDevice();
  const graph = new Graph(
    {
      stages: { device: { kind: 'device' }, stage: { kind: 'stage' } },
      links: ['device.rx -> stage.in', 'stage.out -> device.inbound'],
    },
    {
      pool: new PacketPool({ packets: 4 }),
      clock: new VirtualClock(),
      registry: new StageRegistry([deviceStage(device), stage]),
    },
  );
  graph.stop();
  device.waiting.push(Uint8Array.of(1));
  graph.poll();
  expect(stops).toBe(1);
  expect(graph.report()['stage']!.received).toBe(0);
});
