import {
  describeStage,
  stageFactory,
  type Batch,
  type Stage,
  type StageContext,
  type StageFactory,
} from '@ngisec/core';
import { anyPrefixContains, ip, parsePrefix, type Prefix } from '@ngisec/wire';

export const directionDescriptor = describeStage({
  kind: 'direction',
  summary:
    'Tells packets from inside (a host’s own stack, a gateway’s LAN) from those of the network by their source.',
  specifications: ['draft section 6'],
  inputs: { in: { accepts: ['ip'], description: 'Checked packets from one device.' } },
  outputs: {
    inside: { emits: 'ip', description: 'The source is one of the inside prefixes.' },
    outside: { emits: 'ip', description: 'Everything else.' },
  },
  options: { inside: { type: 'texts', default: [], description: 'Inside prefixes or addresses.' } },
  counters: {},
  drops: {},
});

type Context = StageContext<typeof directionDescriptor>;

class Direction implements Stage<typeof directionDescriptor> {
  readonly inputs = { in: (batch: Batch): void => this.#split(batch) };
  readonly #context: Context;
  readonly #inside: readonly Prefix[];

  constructor(context: Context) {
    this.#context = context;
    this.#inside = context.options.inside.map((text) => {
      const prefix = parsePrefix(text);
      if (prefix === undefined)
        throw new RangeError(`stage "${context.name}": "${text}" is no address or prefix`);
      return prefix;
    });
  }

  #split(batch: Batch): void {
    const { pool, outputs } = this.#context;
    for (let index = 0; index < batch.length; index += 1) {
      const packet = batch.packets[index]!;
      const family = pool.family[packet]!;
      const source = pool.start[packet]! + ip.sourceOffset(family);
      const isInside = anyPrefixContains(this.#inside, pool.bytes, source, family);
      (isInside ? outputs.inside : outputs.outside).push(packet);
    }
  }
}

export const direction: StageFactory = stageFactory(directionDescriptor, (context) => new Direction(context));
