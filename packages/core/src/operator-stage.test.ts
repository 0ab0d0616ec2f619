import { identity, map, take, tap, type OperatorFunction } from 'rxjs';
import { Batch } from './batch.ts';
import { VirtualClock } from './clock.ts';
import { describeStage } from './descriptor.ts';
import { Graph, unaccounted } from './graph.ts';
import { operatorStage } from './operator-stage.ts';
import { PacketPool } from './packet-pool.ts';
import { StageRegistry } from './registry.ts';
import { stageFactory } from './stage.ts';

const shape = { summary: '', specifications: [], options: {}, counters: {}, drops: {} } as const;
const input = { accepts: ['raw'], description: '' } as const;
const output = { emits: 'raw', description: '' } as const;

/** A source of three packets a pass, the operator, and a sink. */
function around(operator: OperatorFunction<Batch, Batch>) {
  const source = describeStage({ ...shape, kind: 'source', inputs: {}, outputs: { out: output } });
  const chain = describeStage({ ...shape, kind: 'chain', inputs: { in: input }, outputs: { out: output } });
  const sink = describeStage({ ...shape, kind: 'sink', inputs: { in: input }, outputs: {} });
  const arrived: number[] = [];
  const registry = new StageRegistry([
    stageFactory(source, ({ pool, outputs, created }) => ({
      inputs: {},
      poll: () => {
        for (let count = 0; count < 3; count += 1) outputs.out.push(pool.allocate());
        created.add(3);
        return 3;
      },
    })),
    operatorStage(chain, operator),
    stageFactory(sink, ({ pool, delivered }) => ({
      inputs: {
        in: ({ packets, length }) => {
          delivered.add(length);
          for (const packet of packets.subarray(0, length)) {
            arrived.push(packet);
            pool.release(packet);
          }
        },
      },
    })),
  ]);
  const pool = new PacketPool({ packets: 8, slotBytes: 128, headroomBytes: 32 });
  const stages = { source: { kind: 'source' }, chain: { kind: 'chain' }, sink: { kind: 'sink' } };
  const spec = { stages, links: ['source.out -> chain.in', 'chain.out -> sink.in'] };
  const graph = new Graph(spec, { pool, clock: new VirtualClock(), registry });
  const expectWhole = (): void => {
    expect(Object.values(graph.report()).map(unaccounted)).toEqual([0, 0, 0]);
    expect(pool.available).toBe(8);
  };
  return { graph, arrived, expectWhole };
}

test('an RxJS operator over batches stands as a stage', () => {
  const lengths: number[] = [];
  const { graph, arrived, expectWhole } = around(tap(({ length }) => lengths.push(length)));
  graph.poll();
  graph.poll();
  expect(lengths).toEqual([3, 3]);
  expect(arrived).toEqual([0, 1, 2, 2, 1, 0]);
  expect(graph.report()['chain']).toMatchObject({ received: 6, emitted: { out: 6 } });
  expectWhole();
});

test('a batch that the operator makes goes on in place of the one it got', () => {
  const { graph, arrived, expectWhole } = around(
    map((batch) => {
      const reversed = new Batch(batch.pool);
      for (let index = batch.length - 1; index >= 0; index -= 1) reversed.push(batch.packets[index]!);
      return reversed;
    }),
  );
  graph.poll();
  expect(arrived).toEqual([2, 1, 0]);
  expectWhole();
});

test('F26 an error in the chain loses its batch, and the next batch gets a new chain', () => {
  let batches = 0;
  const { graph, arrived, expectWhole } = around(
    tap(() => {
      batches += 1;
      if (batches === 2) throw new Error('second batch');
    }),
  );
  for (let pass = 0; pass < 3; pass += 1) graph.poll();
  expect(arrived).toHaveLength(6);
  expect(graph.report()['chain']).toMatchObject({
    received: 9,
    emitted: { out: 6 },
    drops: { stageFailed: 3 },
  });
  expect(graph.failures().get('chain')).toEqual(new Error('second batch'));
  expectWhole();
});

test('F26 a chain that completes is told as a failure and does not swallow later batches', () => {
  const { graph, arrived, expectWhole } = around(take(1));
  graph.poll();
  graph.poll();
  expect(arrived).toHaveLength(6);
  expect(graph.report()['chain']).toMatchObject({ emitted: { out: 6 }, drops: { stageFailed: 0 } });
  expect(graph.failures().get('chain')).toEqual(new Error('the operator chain completed'));
  expectWhole();
});

test('stop ends the chain', () => {
  let ends = 0;
  const { graph } = around((batches) => batches.pipe(tap({ unsubscribe: () => (ends += 1) }), map(identity)));
  graph.stop();
  expect(ends).toBe(1);
});
