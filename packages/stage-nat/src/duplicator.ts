import {
  describeStage,
  stageFactory,
  type Batch,
  type Stage,
  type StageContext,
  type StageFactory,
} from '@ngisec/core';
import { nextHeaders } from '@ngisec/ipsec';
import { ip } from '@ngisec/wire';
import { duplicate, duplicateTransport } from './duplicate.ts';
import { peerOf, type Site } from './site.ts';

export const duplicatorDescriptor = describeStage({
  kind: 'duplicator',
  summary:
    'Puts a copy of the headers before a control packet: one set for NAT to change, one it cannot reach.',
  specifications: [
    'draft section 6.2, figure 1',
    'draft section 6.3',
    '#38',
    '#55',
    '#56',
    '#62',
    '#71',
    '#79',
    '#86',
  ],
  inputs: {
    in: { accepts: ['opened'], description: 'Control packets in the clear, as their host emitted them.' },
    tls: { accepts: ['tls-control'], description: 'First packets of flows that TLS protects.' },
  },
  outputs: {
    out: {
      emits: 'duplicated',
      description: 'IP | T | IP | T | data, or network-to-network IP | T | T | data',
    },
  },
  options: {},
  counters: {
    duplicated: { unit: 'packets', description: 'Control packets that carry a duplicate from here on.' },
  },
  drops: {
    tooLong: 'The duplicate does not fit.',
    unexpectedPayload: 'The plaintext is neither transport data nor a control message.',
  },
});

type Context = StageContext<typeof duplicatorDescriptor>;

class Duplicator implements Stage<typeof duplicatorDescriptor> {
  readonly inputs = {
    in: (batch: Batch): void => this.#duplicateAll(batch),
    tls: (batch: Batch): void => this.#duplicateTls(batch),
  };
  readonly #context: Context;
  readonly #site: Site;

  constructor(context: Context, site: Site) {
    this.#context = context;
    this.#site = site;
  }

  #duplicateAll(batch: Batch): void {
    const { pool, drops } = this.#context;
    for (let index = 0; index < batch.length; index += 1) {
      const packet = batch.packets[index]!;
      const nextHeader = pool.nextHeader[packet]!;
      if (nextHeader !== nextHeaders.transportData && nextHeader !== nextHeaders.controlMessage) {
        drops.unexpectedPayload.drop(packet);
      } else this.#pass(packet, this.#duplicate(packet));
    }
  }

  #duplicateTls(batch: Batch): void {
    const { pool } = this.#context;
    for (let index = 0; index < batch.length; index += 1) {
      const packet = batch.packets[index]!;
      pool.nextHeader[packet] = nextHeaders.tlsPacket;
      this.#pass(packet, duplicate(pool, packet));
    }
  }

  #pass(packet: number, isDuplicated: boolean): void {
    const { outputs, drops, counters } = this.#context;
    if (!isDuplicated) return drops.tooLong.drop(packet);
    counters.duplicated.value += 1;
    outputs.out.push(packet);
  }

  #duplicate(packet: number): boolean {
    const { pool } = this.#context;
    const family = pool.family[packet]!;
    const destination = pool.start[packet]! + ip.destinationOffset(family);
    const peer = this.#site.peers[peerOf(this.#site, pool.bytes, destination, family)];
    return peer?.mode === 'n2n' ? duplicateTransport(pool, packet) : duplicate(pool, packet);
  }
}

export const duplicator = (site: Site): StageFactory =>
  stageFactory(duplicatorDescriptor, (context) => new Duplicator(context, site));
