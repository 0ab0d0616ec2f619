import {
  describeStage,
  flowKey,
  limits,
  stageFactory,
  TokenBucket,
  writeFlowKey,
  type Batch,
  type Stage,
  type StageContext,
  type StageFactory,
} from '@ngisec/core';
import { nextHeaders } from '@ngisec/ipsec';
import { ip, tcp } from '@ngisec/wire';
import { PORTS_EXHAUSTED, type BindingTable } from './binding-table.ts';
import { addressOf, peerOf, publicPortOf, type Site } from './site.ts';
import { makeMappingUpdate } from './duplicate.ts';
import { translateLeaving } from './translate.ts';

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
    '#86',
    '#92',
  ],
  inputs: {
    control: {
      accepts: ['duplicated'],
      description: 'Verified control packets; their outer headers are translated.',
    },
    data: { accepts: ['sealed-data'], description: 'Data packets; their readable headers are translated.' },
    tls: { accepts: ['tls-data'], description: 'Packets of flows that TLS protects; as data, unsealed.' },
  },
  outputs: {
    control: { emits: 'natted', description: 'For the peer gateway’s control channel.' },
    data: {
      emits: 'translated',
      description: 'As the end host sent it but for addresses, ports and checksums.',
    },
  },
  options: {
    updatesPerSecond: {
      type: 'integer',
      minimum: 0,
      maximum: 1_000_000,
      default: 1000,
      description: 'Bindings a second that data may bring back, for nobody authenticated it here.',
    },
  },
  counters: {
    recreated: { unit: 'entries', description: 'Bindings that data of a forgotten flow brought back.' },
    updates: { unit: 'packets', description: 'Mapping updates sent to the peer gateway.' },
    created: { unit: 'entries', description: 'Bindings made.' },
    expired: { unit: 'entries', description: 'Bindings that idled out.' },
  },
  drops: {
    protectedFlow: 'Without a shim, but its flow is a protected one.',
    noPeer: 'No peer gateway serves the destination.',
    noBinding: 'Data without a binding, towards no peer or more than may bring bindings back.',
    portsExhausted: 'No outer port is free towards this destination.',
    tableFull: 'No room for another binding.',
  },
});

/** No gateway address in the packet's family. */
const NO_PEER = -4;

type Context = StageContext<typeof natDescriptor>;

class Nat implements Stage<typeof natDescriptor> {
  readonly inputs = {
    control: (batch: Batch): void => this.#controlAll(batch),
    data: (batch: Batch): void => this.#dataAll(batch, false),
    tls: (batch: Batch): void => this.#dataAll(batch, true),
  };
  readonly #context: Context;
  readonly #table: BindingTable;
  readonly #site: Site;
  readonly #updates: TokenBucket;
  readonly #key = flowKey();

  constructor(context: Context, table: BindingTable, site: Site) {
    this.#context = context;
    const { updatesPerSecond } = context.options;
    this.#updates = new TokenBucket(updatesPerSecond, updatesPerSecond);
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
    const isTls = pool.nextHeader[packet] === nextHeaders.tlsPacket ? 1 : 0;
    this.#readKey(packet);
    let binding = this.#table.findInner(this.#key);
    if (binding < 0) {
      binding = this.#create(packet, peer, nowMs);
      if (binding === NO_PEER) return drops.noPeer.drop(packet);
      if (binding === PORTS_EXHAUSTED) return drops.portsExhausted.drop(packet);
      if (binding < 0) return drops.tableFull.drop(packet);
      counters.created.value += 1;
      this.#table.isTls[binding] = isTls;
    }
    // What its host protects stays protected: only a verified packet changes a binding's mode, and only to that.
    if (isTls > this.#table.isTls[binding]!) return drops.protectedFlow.drop(packet);
    this.#table.isTls[binding] = isTls;
    this.#table.hasLeft[binding] = 1;
    this.#leave(packet, binding, nowMs);
    pool.channel[packet] = this.#site.peers[peer]!.channel.index;
    outputs.control.push(packet);
  }

  #dataAll(batch: Batch, isTls: boolean): void {
    const { outputs, drops, clock } = this.#context;
    const nowMs = clock.nowMs();
    for (let index = 0; index < batch.length; index += 1) {
      const packet = batch.packets[index]!;
      this.#readKey(packet);
      let binding = this.#table.findInner(this.#key);
      if (binding < 0) binding = this.#recreate(packet, isTls, nowMs);
      if (binding < 0) {
        drops.noBinding.drop(packet);
        continue;
      }
      if (isTls && this.#table.isTls[binding] === 0) {
        drops.protectedFlow.drop(packet);
        continue;
      }
      if (this.#table.takeUpdate(binding, nowMs)) this.#sendUpdate(packet, binding);
      this.#leave(packet, binding, nowMs);
      outputs.data.push(packet);
    }
  }

  /** The mapping of a live flow is gone: "the next packet will trigger the response for the first one" (6.2, #68). */
  #recreate(packet: number, isTls: boolean, nowMs: number): number {
    const { pool, counters } = this.#context;
    const family = pool.family[packet]!;
    const destination = pool.start[packet]! + ip.destinationOffset(family);
    const peer = peerOf(this.#site, pool.bytes, destination, family);
    if (peer < 0 || !this.#updates.take(nowMs)) return -1;
    const binding = this.#create(packet, peer, nowMs);
    if (binding >= 0) {
      counters.recreated.value += 1;
      this.#table.isTls[binding] = isTls ? 1 : 0;
      this.#table.hasLeft[binding] = 1;
      this.#table.requestUpdate(binding, nowMs);
    }
    return binding;
  }

  /** Ahead of the packet, for a full-size ciphertext leaves no room for headers. */
  #sendUpdate(packet: number, binding: number): void {
    const { pool, outputs, counters, created } = this.#context;
    const { bytes } = pool;
    const from = pool.start[packet]!;
    const headers = pool.payload[packet]! - from;
    const update = headers <= pool.packetBytesMax ? pool.allocate() : -1;
    if (update < 0) return;
    const start = pool.start[update]!;
    bytes.copyWithin(start, from, from + headers);
    pool.transport[update] = start + (pool.transport[packet]! - from);
    pool.payload[update] = start + headers;
    pool.family[update] = pool.family[packet]!;
    pool.protocol[update] = pool.protocol[packet]!;
    const peer = this.#site.peers[this.#table.peer[binding]!]!;
    const mode = this.#table.isTls[binding] === 1 ? 'tls' : peer.mode;
    if (!makeMappingUpdate(pool, update, mode)) return pool.release(update);
    translateLeaving(pool, update, this.#table, binding, this.#key);
    pool.channel[update] = peer.channel.index;
    created.value += 1;
    counters.updates.value += 1;
    outputs.control.push(update);
    // A full batch of data must not overtake it.
    outputs.control.flush();
  }

  #create(packet: number, peer: number, nowMs: number): number {
    const { pool } = this.#context;
    const family = pool.family[packet]!;
    const { addresses, mode } = this.#site.peers[peer]!;
    const own = addressOf(this.#site.addresses, family);
    const far = addressOf(addresses, family);
    if (own === undefined || far === undefined) return NO_PEER;
    if (mode !== 'n2n') return this.#table.create(this.#key, peer, own, far, nowMs);
    const source = pool.start[packet]! + ip.sourceOffset(family);
    const port = publicPortOf(this.#site, this.#key, pool.bytes, source);
    return this.#table.create(this.#key, peer, own, far, nowMs, port);
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
    translateLeaving(pool, packet, this.#table, binding, this.#key);
  }
}

export const nat = (table: BindingTable, site: Site): StageFactory =>
  stageFactory(natDescriptor, (context) => new Nat(context, table, site));
