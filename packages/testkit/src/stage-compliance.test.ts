import { describeStage, stageFactory, type Batch, type StageContext, type StageFactory } from '@ngisec/core';
import { buildEcho, buildTcp, buildUdp } from './packet-builders.ts';
import { stageCompliance } from './stage-compliance.ts';

const v4 = { src: '10.0.0.1', dst: '10.0.0.2' };
const v6 = { src: 'fd00::1', dst: 'fd00::2' };
const payload = new Uint8Array(100).fill(7);
const validPackets = [
  buildTcp({ ...v4, sport: 1, dport: 2, payload }),
  buildUdp({ ...v6, sport: 1, dport: 2, payload }),
  buildEcho({ ...v4, payload }),
];

const descriptor = describeStage({
  kind: 'splitter',
  summary: 'TCP one way, the rest another.',
  specifications: [],
  inputs: { in: { accepts: ['ip'], description: 'Checked packets.' } },
  outputs: {
    tcp: { emits: 'ip', description: 'TCP.' },
    rest: { emits: 'ip', description: 'Everything else.', optional: true },
  },
  options: { limit: { type: 'integer', minimum: 1, maximum: 9, default: 3, description: 'Unused.' } },
  counters: { seen: { unit: 'packets', description: 'Seen.' } },
  drops: { old: 'IPv4.' },
});

type Context = StageContext<typeof descriptor>;

/** A stage whose treatment of one packet is the test's. */
const splitter = (treat: (context: Context, packet: number) => void): StageFactory =>
  stageFactory(descriptor, (context) => ({
    inputs: {
      in: ({ packets, length }: Batch) => {
        for (let index = 0; index < length; index += 1) treat(context, packets[index]!);
      },
    },
  }));

const good = splitter(({ outputs, drops, pool }, packet) => {
  if (pool.protocol[packet] === 6) outputs.tcp.push(packet);
  else if (pool.family[packet] === 4) drops.old.drop(packet);
  else outputs.rest.push(packet);
});

/** The checks that fail, by name. */
const failuresOf = (factory: StageFactory, options: Readonly<Record<string, unknown>> = {}): string[] =>
  stageCompliance({ factory, options, validPackets, badPackets: 500 })
    .filter(({ run }) => {
      try {
        run();
        return false;
      } catch {
        return true;
      }
    })
    .map(({ name }) => name.replace('F25 splitter: ', ''));

describe('F25 the suite passes a sound stage', () => {
  for (const { name, run } of stageCompliance({ factory: good, options: { limit: 4 }, validPackets }))
    test(name, run);

  test('one that holds packets for a while', () => {
    const factory: StageFactory = stageFactory(descriptor, ({ outputs }) => {
      const held: number[] = [];
      return {
        inputs: { in: ({ packets, length }: Batch) => void held.push(...packets.subarray(0, length)) },
        held: () => held.length,
        tick: (nowMs) => {
          if (nowMs > 50) for (const packet of held.splice(0)) outputs.tcp.push(packet);
        },
      };
    });
    expect(failuresOf(factory)).toEqual([]);
  });
});

describe('F25 the suite finds', () => {
  test('a packet that is forgotten', () => {
    const factory = splitter(({ outputs, pool }, packet) => {
      if (pool.protocol[packet] === 6) outputs.tcp.push(packet);
    });
    expect(failuresOf(factory)).toContain('accounts for every valid packet (input in)');
  });

  test('a packet that leaves twice', () => {
    const factory = splitter(({ outputs }, packet) => {
      outputs.tcp.push(packet);
      outputs.rest.push(packet);
    });
    expect(failuresOf(factory)).toContain('accounts for every valid packet (input in)');
  });

  test('a packet released behind the accounts’ back', () => {
    const factory = splitter(({ pool }, packet) => pool.release(packet));
    expect(failuresOf(factory)).toContain('handles a full batch (input in)');
  });

  test('a throw that only strange packets cause', () => {
    const factory = splitter((context, packet) => {
      if (context.pool.protocol[packet] === 50) throw new Error('what is this?');
      context.outputs.tcp.push(packet);
    });
    expect(failuresOf(factory)).toEqual(['accounts for every random or truncated packet (input in)']);
  });

  test('a second stop that throws', () => {
    const factory: StageFactory = stageFactory(descriptor, ({ outputs }) => {
      let stops = 0;
      return {
        inputs: {
          in: ({ packets, length }: Batch) =>
            packets.subarray(0, length).forEach((packet) => outputs.tcp.push(packet)),
        },
        stop: () => {
          stops += 1;
          if (stops > 1) throw new Error('already stopped');
        },
      };
    });
    expect(failuresOf(factory)).toEqual(['stopping twice is safe']);
  });

  test('handlers and descriptions that are missing, options out of bounds', () => {
    const bare: StageFactory = {
      descriptor: { ...descriptor, drops: { old: '' } },
      create: () => ({ inputs: {} }),
    };
    const failures = failuresOf(bare);
    expect(failures).toContain('the descriptor is complete');
    expect(failures).toContain('handlers are those of the declared inputs');
    expect(failuresOf(good, { limit: 10 })).toContain('defaults are accepted, unknown options refused');
  });
});
