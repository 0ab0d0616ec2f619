import { describeStage } from './descriptor.ts';
import { insertStage } from './insert-stage.ts';

const between = describeStage({
  kind: 'test/between',
  summary: 'Stands between two others.',
  specifications: [],
  inputs: { in: { accepts: ['ip'], description: 'Checked packets.' } },
  outputs: { out: { emits: 'ip', description: 'The same.' } },
  options: { depth: { type: 'integer', minimum: 0, maximum: 9, default: 0, description: 'A number.' } },
  counters: {},
  drops: {},
});
const graph = {
  stages: { source: { kind: 'source' }, sink: { kind: 'sink' } },
  links: ['source.left -> sink.a', 'source.right -> sink.b'],
};

test('F1 a stage goes onto one link and leaves the others, and the graph it came from, as they were', () => {
  const before = structuredClone(graph);
  expect(insertStage(graph, 'source.right->sink.b', 'mid', between, { depth: 3 })).toEqual({
    stages: { ...graph.stages, mid: { kind: 'test/between', options: { depth: 3 } } },
    links: ['source.left -> sink.a', 'source.right -> mid.in', 'mid.out -> sink.b'],
  });
  expect(graph).toEqual(before);
});

test('two stages on one link stand in the order of the links they were put on', () => {
  const first = insertStage(graph, 'source.left -> sink.a', 'one', between);
  expect(insertStage(first, 'one.out -> sink.a', 'two', between).links).toEqual([
    'source.left -> one.in',
    'one.out -> two.in',
    'two.out -> sink.a',
    'source.right -> sink.b',
  ]);
});

test('a link that is not there is named with the nearest one, and so is a name that is taken', () => {
  expect(() => insertStage(graph, 'source.rigth -> sink.b', 'mid', between)).toThrow(
    new RangeError('no link "source.rigth -> sink.b" (did you mean "source.right -> sink.b"?)'),
  );
  expect(() => insertStage(graph, 'source.left -> sink.a', 'sink', between)).toThrow(
    new RangeError('two stages are named "sink"'),
  );
});
