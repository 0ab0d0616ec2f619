// What the engine itself costs: nanoseconds a packet for eight chained stages that do next to nothing, and
// nanoseconds an operation for the flow table. Build first: `npx tsc -b packages/core`.
import {
  describeStage,
  flowKey,
  FlowTable,
  Graph,
  PacketPool,
  seededRandom,
  stageFactory,
  StageRegistry,
  systemClock,
} from '@ngisec/core';

const STAGES = 8;
const ROUNDS = 7;
const shape = { summary: '', specifications: [], options: {}, counters: {}, drops: {} };
const input = { in: { accepts: ['raw'], description: '' } };
const output = { out: { emits: 'raw', description: '' } };

/** The fastest of some rounds, in nanoseconds a unit: what the machine can do when nothing else disturbs it. */
function fastest(units, round) {
  let best = Infinity;
  for (let count = 0; count < ROUNDS; count += 1) {
    const begin = systemClock.nowMs();
    round();
    best = Math.min(best, ((systemClock.nowMs() - begin) * 1e6) / units);
  }
  return best.toFixed(1);
}

function chain(batchPackets) {
  const source = describeStage({ ...shape, kind: 'source', inputs: {}, outputs: output });
  const pass = describeStage({ ...shape, kind: 'pass', inputs: input, outputs: output });
  const sink = describeStage({ ...shape, kind: 'sink', inputs: input, outputs: {} });
  const registry = new StageRegistry([
    stageFactory(source, ({ pool, outputs: { out }, created }) => ({
      inputs: {},
      poll() {
        for (let count = 0; count < batchPackets; count += 1) out.push(pool.allocate());
        created.add(batchPackets);
        return batchPackets;
      },
    })),
    stageFactory(pass, ({ pool, outputs: { out } }) => ({
      inputs: {
        in({ packets, length }) {
          for (let index = 0; index < length; index += 1) {
            const packet = packets[index];
            pool.rule[packet] += 1;
            out.push(packet);
          }
        },
      },
    })),
    stageFactory(sink, ({ pool, delivered }) => ({
      inputs: {
        in({ packets, length }) {
          for (let index = 0; index < length; index += 1) pool.release(packets[index]);
          delivered.add(length);
        },
      },
    })),
  ]);
  const names = ['source', ...Array.from({ length: STAGES }, (_, index) => `pass${index}`), 'sink'];
  const stages = Object.fromEntries(names.map((name) => [name, { kind: name.replace(/\d/, '') }]));
  const links = names.slice(1).map((name, index) => `${names[index]}.out -> ${name}.in`);
  return new Graph({ stages, links }, { pool: new PacketPool(), clock: systemClock, registry });
}

for (const batchPackets of [1, 64, 256]) {
  const graph = chain(batchPackets);
  const polls = Math.ceil(1_000_000 / batchPackets);
  const ns = fastest(polls * batchPackets, () => {
    for (let poll = 0; poll < polls; poll += 1) graph.poll();
  });
  console.log(`${STAGES} stages, batches of ${String(batchPackets).padStart(3)}: ${ns} ns a packet`);
}

for (const flows of [1000, 100_000]) {
  const random = seededRandom(1);
  const keys = Array.from({ length: flows }, () => flowKey().map(() => random.integer(2 ** 32)));
  const table = new FlowTable(random, flows);
  const repeats = Math.ceil(400_000 / flows);
  const entries = new Uint32Array(flows);
  const insert = () => {
    for (let flow = 0; flow < flows; flow += 1) entries[flow] = table.insert(keys[flow]);
  };
  const remove = () => {
    for (let flow = 0; flow < flows; flow += 1) table.remove(entries[flow]);
  };
  const insertAndRemove = fastest(flows * repeats, () => {
    for (let repeat = 0; repeat < repeats; repeat += 1) {
      insert();
      remove();
    }
  });
  insert();
  let found = 0;
  const find = fastest(flows * repeats, () => {
    for (let repeat = 0; repeat < repeats; repeat += 1) {
      for (let flow = 0; flow < flows; flow += 1) if (table.find(keys[flow]) >= 0) found += 1;
    }
  });
  if (found !== ROUNDS * flows * repeats) throw new Error('the table lost a flow');
  console.log(`flow table of ${flows} flows: find ${find} ns, insert and remove ${insertAndRemove} ns`);
}
