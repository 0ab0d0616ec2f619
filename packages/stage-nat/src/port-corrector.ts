import {
  describeStage,
  flowKey,
  stageFactory,
  type Batch,
  type Stage,
  type StageContext,
  type StageFactory,
} from '@ngisec/core';
import type { PeerTable } from './peer-table.ts';
import { readKey, retranslate } from './translate.ts';

export const portCorrectorDescriptor = describeStage({
  kind: 'port-corrector',
  summary: 'At an end host: corrects the ports of sealed packets to those that NATs on the way expect now.',
  specifications: ['draft section 6.3', '#83'],
  inputs: { in: { accepts: ['sealed'], description: 'Sealed packets of the host’s own.' } },
  outputs: { out: { emits: 'sealed', description: 'For the network.' } },
  options: {},
  counters: {
    corrected: { unit: 'packets', description: 'Packets of flows that a NAT on the way remapped.' },
  },
  drops: {
    noWay: 'A NAT on the way gave the flow’s tuple to another, and the peer did not say its new one yet.',
  },
});

type Context = StageContext<typeof portCorrectorDescriptor>;

class PortCorrector implements Stage<typeof portCorrectorDescriptor> {
  readonly inputs = { in: (batch: Batch): void => this.#correctAll(batch) };
  readonly #context: Context;
  readonly #table: PeerTable;
  readonly #scratch = flowKey();
  readonly #key = flowKey();

  constructor(context: Context, table: PeerTable) {
    this.#context = context;
    this.#table = table;
  }

  #correctAll(batch: Batch): void {
    const { pool, outputs, drops, counters, clock } = this.#context;
    const nowMs = clock.nowMs();
    for (let index = 0; index < batch.length; index += 1) {
      const packet = batch.packets[index]!;
      readKey(pool, packet, this.#key);
      const flow = this.#table.findStack(this.#key);
      if (flow >= 0) this.#table.touch(flow, nowMs);
      if (flow >= 0 && this.#table.isRemapped(flow)) {
        if (!this.#table.hasOuter(flow)) {
          drops.noWay.drop(packet);
          continue;
        }
        this.#table.readOuter(flow, this.#key);
        retranslate(pool, packet, this.#scratch, this.#key);
        counters.corrected.value += 1;
      }
      outputs.out.push(packet);
    }
  }
}

export const portCorrector = (table: PeerTable): StageFactory =>
  stageFactory(portCorrectorDescriptor, (context) => new PortCorrector(context, table));
