import {
  describeStage,
  flowKey,
  limits,
  stageFactory,
  writeFlowKey,
  type Batch,
  type Stage,
  type StageContext,
  type StageFactory,
} from '@ngisec/core';
import { ip, tcp } from '@ngisec/wire';
import { PORTS_EXHAUSTED, type BindingTable } from './binding-table.ts';
import { addressOf, peerOf, type Site } from './site.ts';
import { translate } from './translate.ts';

export const natDescriptor = describeStage({
  kind: 'nat',
  summary:
    'Translates what leaves the LAN: a verified control packet may make a binding, data only uses one.',
  specifications: [
    'draft section 6.2',
    'RFC 3022',
    'RFC 4787',
    'RFC 5382',
    '#35',
    '#53',
    '#54',
    '#59',
    '#60',
    '#92',
  ],
  inputs: {
    control: {
      accepts: ['duplicated'],
      description: 'Verified control packets; their outer headers are translated.',
    },
    data: { accepts: ['sealed-data'], description: 'Data packets; their readable headers are translated.' },
  },
  outputs: {
    control: { emits: 'natted', description: 'For the peer gateway’s control channel.' },
    data: {
      emits: 'translated',
      description: 'As sealed by the end host but for addresses, ports and checksums.',
    },
  },
  options: {},
  counters: {
    created: { unit: 'entries', description: 'Bindings made.' },
    expired: { unit: 'entries', description: 'Bindings that idled out.' },
  },
  drops: {
    noPeer: 'No peer gateway serves the destination.',
    noBinding: 'Data without a binding: nothing authentic announced the flow.',
    portsExhausted: 'No outer port is free towards this destination.',
    tableFull: 'No room for another binding.',
  },
});

type Context = StageContext<typeof natDescriptor>;

class Nat implements Stage<typeof natDescriptor> {
  readonly inputs = {
    control: (batch: Batch): void => this.#controlAll(batch),
    data: (batch: Batch): void => this.#dataAll(batch),
  };
  readonly #context: Context;
  readonly #table: BindingTable;
  readonly #site: Site;
  readonly #key = flowKey();

  constructor(context: Context, table: BindingTable, site: Site) {
    this.#context = context;
    this.#table = table;
    this.#site = site;
  }

  tick(nowMs: number): void {
    this.#context.counters.expired.add(this.#table.sweep(nowMs, limits.sweepEntries));
  }

  #controlAll(batch: Batch): void {
    const nowMs = this.#context.clock.nowMs();
    for (let index = 0; index < batch.length; index += 1) this.#control(batch.packets[index]!, nowMs);
  }

  #control(packet: number, nowMs: number): void {
    const { pool, outputs, drops, counters } = this.#context;
    const { bytes } = pool;
    const start = pool.start[packet]!;
    const family = pool.family[packet]!;
    const peer = peerOf(this.#site, bytes, start + ip.destinationOffset(family), family);
    if (peer < 0) return drops.noPeer.drop(packet);
    this.#readKey(packet);
    let binding = this.#table.findInner(this.#key);
    if (binding < 0) {
      const own = addressOf(this.#site.addresses, family);
      const far = addressOf(this.#site.peers[peer]!.addresses, family);
      if (own === undefined || far === undefined) return drops.noPeer.drop(packet);
      binding = this.#table.create(this.#key, peer, own, far, nowMs);
      if (binding === PORTS_EXHAUSTED) return drops.portsExhausted.drop(packet);
      if (binding < 0) return drops.tableFull.drop(packet);
      counters.created.value += 1;
    }
    this.#leave(packet, binding, nowMs);
    pool.channel[packet] = this.#site.peers[peer]!.channel.index;
    outputs.control.push(packet);
  }

  #dataAll(batch: Batch): void {
    const { outputs, drops, clock } = this.#context;
    const nowMs = clock.nowMs();
    for (let index = 0; index < batch.length; index += 1) {
      const packet = batch.packets[index]!;
      this.#readKey(packet);
      const binding = this.#table.findInner(this.#key);
      if (binding < 0) {
        drops.noBinding.drop(packet);
        continue;
      }
      this.#leave(packet, binding, nowMs);
      outputs.data.push(packet);
    }
  }

  #readKey(packet: number): void {
    const { pool } = this.#context;
    const transport = pool.transport[packet]!;
    writeFlowKey(
      this.#key,
      pool.bytes,
      pool.start[packet]!,
      transport,
      pool.family[packet]!,
      pool.protocol[packet]!,
    );
  }

  #leave(packet: number, binding: number, nowMs: number): void {
    const { pool } = this.#context;
    const flags = tcp.flags(pool.bytes, pool.transport[packet]!);
    this.#table.note(binding, true, pool.protocol[packet]!, flags, nowMs);
    translate(pool, packet, this.#table, binding, true, this.#key);
  }
}

export const nat = (table: BindingTable, site: Site): StageFactory =>
  stageFactory(natDescriptor, (context) => new Nat(context, table, site));
