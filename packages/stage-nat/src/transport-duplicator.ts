import {
  describeStage,
  stageFactory,
  type Batch,
  type Stage,
  type StageContext,
  type StageFactory,
} from '@ngisec/core';
import type { Spd } from '@ngisec/ipsec';
import { duplicateTransport } from './duplicate.ts';

export const transportDuplicatorDescriptor = describeStage({
  kind: 'transport-duplicator',
  summary:
    'At an end host: makes control packets TCPSec and UDPSec, a transport header for NATs before its own.',
  specifications: ['draft section 6.3, figure 2', '#24', '#80', '#84'],
  inputs: { in: { accepts: ['control'], description: 'Control packets as the host’s stack made them.' } },
  outputs: { out: { emits: 'control', description: 'IP | T | T | data under rules of mode tcpsec.' } },
  options: {},
  counters: { duplicated: { unit: 'packets', description: 'Packets that carry their header twice.' } },
  drops: { tooLong: 'The second header does not fit.' },
});

type Context = StageContext<typeof transportDuplicatorDescriptor>;

class TransportDuplicator implements Stage<typeof transportDuplicatorDescriptor> {
  readonly inputs = { in: (batch: Batch): void => this.#duplicateAll(batch) };
  readonly #context: Context;
  readonly #spd: Spd;

  constructor(context: Context, spd: Spd) {
    this.#context = context;
    this.#spd = spd;
  }

  #duplicateAll(batch: Batch): void {
    const { pool, outputs, drops, counters } = this.#context;
    for (let index = 0; index < batch.length; index += 1) {
      const packet = batch.packets[index]!;
      if (this.#spd.rules[pool.rule[packet]!]?.mode !== 'tcpsec') outputs.out.push(packet);
      else if (duplicateTransport(pool, packet)) {
        counters.duplicated.value += 1;
        outputs.out.push(packet);
      } else drops.tooLong.drop(packet);
    }
  }
}

export const transportDuplicator = (spd: Spd): StageFactory =>
  stageFactory(transportDuplicatorDescriptor, (context) => new TransportDuplicator(context, spd));
