import {
  describeStage,
  destinationPortOf,
  flowKey,
  limits,
  reverseFlowKey,
  sourcePortOf,
  stageFactory,
  updateLengths,
  type Batch,
  type Stage,
  type StageContext,
  type StageFactory,
} from '@ngisec/core';
import {
  controlMessage,
  isNetworkToNetwork,
  nextHeaders,
  scopes,
  type Mode,
  type Sad,
  type Spd,
} from '@ngisec/ipsec';
import { icmp, ip, read16, read32, tcp, write16 } from '@ngisec/wire';
import { findEmittedTransport } from './duplicate.ts';
import { isEcho, STACK_TUPLE_IN_USE, type PeerTable } from './peer-table.ts';
import { readKeyAsSent, retranslate } from './translate.ts';

export const portLearnerDescriptor = describeStage({
  kind: 'port-learner',
  summary:
    'At an end host: learns the ports a hidden peer emits, and gives its packets the tuple the stack knows.',
  specifications: ['draft section 6.3', '#71', '#79', '#81', '#82', '#83', '#85', '#117'],
  inputs: { in: { accepts: ['opened'], description: 'Verified packets from the network.' } },
  outputs: {
    out: {
      emits: 'opened',
      description: 'The same with the stack’s addresses and ports, and one transport header.',
    },
  },
  options: {},
  counters: {
    learned: { unit: 'packets', description: 'Control packets that taught or confirmed a peer’s ports.' },
    created: { unit: 'entries', description: 'Flows that were new.' },
    remapped: { unit: 'entries', description: 'Flows that a NAT on the way gave another outer tuple.' },
    expired: { unit: 'entries', description: 'Flows that idled out.' },
  },
  drops: {
    wrongChannel: 'Its transport header is repeated, but under a data key.',
    noDuplicate: 'A control packet of a hidden peer whose transport header is not repeated whole.',
    headerMismatch: 'Readable and repeated transport header differ in more than ports.',
    tupleInUse: 'The stack knows another flow by that tuple.',
    tableFull: 'No room for another flow.',
  },
});

type Context = StageContext<typeof portLearnerDescriptor>;

class PortLearner implements Stage<typeof portLearnerDescriptor> {
  readonly inputs = { in: (batch: Batch): void => this.#takeAll(batch) };
  readonly #context: Context;
  readonly #sad: Sad;
  readonly #spd: Spd;
  readonly #table: PeerTable;
  readonly #scratch = flowKey();
  readonly #key = flowKey();

  constructor(context: Context, sad: Sad, spd: Spd, table: PeerTable) {
    this.#context = context;
    this.#sad = sad;
    this.#spd = spd;
    this.#table = table;
  }

  tick(nowMs: number): void {
    this.#context.counters.expired.add(this.#table.sweep(nowMs, limits.sweepEntries));
  }

  #takeAll(batch: Batch): void {
    const { pool, outputs, clock } = this.#context;
    const nowMs = clock.nowMs();
    for (let index = 0; index < batch.length; index += 1) {
      const packet = batch.packets[index]!;
      const flow = pool.flow[packet]!;
      const mode = this.#spd.rules[pool.rule[packet]!]?.mode;
      if (flow >= 0) this.#deliver(packet, flow, mode, nowMs);
      else if (mode !== undefined && isNetworkToNetwork(mode)) this.#learn(packet, mode, nowMs);
      else outputs.out.push(packet);
    }
  }

  #deliver(packet: number, flow: number, mode: Mode | undefined, nowMs: number): void {
    const { pool, outputs } = this.#context;
    this.#table.touch(flow, nowMs);
    // A gateway's channel tells no host from another behind it: in n2n the data channel does.
    if (mode === 'n2n') this.#table.identify(flow, pool.channel[packet]!);
    this.#writeStackTuple(packet, flow);
    outputs.out.push(packet);
  }

  #learn(packet: number, mode: Mode, nowMs: number): void {
    const { pool, outputs, drops, counters } = this.#context;
    const { bytes } = pool;
    if (this.#sad.channels[pool.channel[packet]!]?.carriesControl !== true)
      return drops.wrongChannel.drop(packet);
    const emitted = findEmittedTransport(pool, packet);
    if (emitted < 0) return drops.noDuplicate.drop(packet);
    const protocol = pool.protocol[packet]!;
    if (!agree(bytes, pool.transport[packet]!, emitted, protocol)) return drops.headerMismatch.drop(packet);
    const source = isEcho(protocol) ? icmp.identifier(bytes, emitted) : read16(bytes, emitted);
    const destination = isEcho(protocol) ? source : read16(bytes, emitted + 2);
    const isFresh = protocol === ip.TCP && (tcp.flags(bytes, emitted) & (tcp.SYN | tcp.ACK)) === tcp.SYN;
    const identity = mode === 'tcpsec' ? pool.channel[packet]! : this.#declaredChannel(packet);
    readKeyAsSent(pool, packet, this.#scratch, this.#key);
    const { size } = this.#table;
    const isKnown = this.#table.findOuter(this.#key) >= 0;
    const flow = this.#table.learn(this.#key, source, destination, identity, isFresh, nowMs);
    if (flow === STACK_TUPLE_IN_USE) return drops.tupleInUse.drop(packet);
    if (flow < 0) return drops.tableFull.drop(packet);
    counters.learned.value += 1;
    if (this.#table.size > size) counters.created.value += 1;
    else if (!isKnown) counters.remapped.value += 1;
    this.#strip(packet, emitted);
    this.#writeStackTuple(packet, flow);
    outputs.out.push(packet);
  }

  /** The data channel that an announcement names by its SPI; -1 where it names none. */
  #declaredChannel(packet: number): number {
    const { pool } = this.#context;
    if (pool.nextHeader[packet] !== nextHeaders.controlMessage) return -1;
    const { bytes } = pool;
    const [payload, end] = [pool.payload[packet]!, pool.end[packet]!];
    const item = controlMessage.findItem(bytes, payload, end, controlMessage.items.declaration);
    if (item < 0 || item + controlMessage.DECLARATION_BYTES > end) return -1;
    const sa = this.#sad.findInbound(read32(bytes, item + controlMessage.ITEM_HEADER_BYTES));
    return sa?.scope === scopes.ports ? sa.channel : -1;
  }

  /**
   * The repeated header becomes the packet's own: it is the authentic one (#85).
   *
   *     before   | IP | T | [item header] | T | data or items |
   *     after               | IP | T | data or items |
   */
  #strip(packet: number, emitted: number): void {
    const { pool } = this.#context;
    const start = pool.start[packet]!;
    const transport = pool.transport[packet]!;
    const distance = emitted - transport;
    pool.bytes.copyWithin(start + distance, start, transport);
    pool.start[packet] = start + distance;
    pool.transport[packet] = emitted;
    const length = ip.transportHeaderBytes(pool.bytes, emitted, pool.end[packet]!, pool.protocol[packet]!);
    pool.payload[packet] = emitted + length;
    if (pool.nextHeader[packet] !== nextHeaders.controlMessage)
      pool.nextHeader[packet] = nextHeaders.transportData;
    updateLengths(pool, packet);
  }

  #writeStackTuple(packet: number, flow: number): void {
    const { pool } = this.#context;
    this.#table.readStack(flow, this.#key);
    reverseFlowKey(this.#key, this.#scratch);
    const { bytes } = pool;
    const transport = pool.transport[packet]!;
    pool.checksumPending[packet] = 1;
    if (this.#table.isRemapped(flow)) return retranslate(pool, packet, this.#key, this.#scratch);
    const [source, destination] = [sourcePortOf(this.#scratch), destinationPortOf(this.#scratch)];
    if (isEcho(pool.protocol[packet]!)) write16(bytes, transport + icmp.IDENTIFIER, source);
    else {
      write16(bytes, transport, source);
      write16(bytes, transport + 2, destination);
    }
  }
}

/** True where two transport headers differ in ports, checksum and what middleboxes tune, no more (#85). */
function agree(bytes: Uint8Array, readable: number, emitted: number, protocol: number): boolean {
  if (protocol === ip.TCP) {
    return (
      read32(bytes, readable + 4) === read32(bytes, emitted + 4) &&
      read32(bytes, readable + 8) === read32(bytes, emitted + 8) &&
      tcp.flags(bytes, readable) === tcp.flags(bytes, emitted)
    );
  }
  if (protocol === ip.UDP) return true;
  return (
    read16(bytes, readable) === read16(bytes, emitted) &&
    icmp.sequence(bytes, readable) === icmp.sequence(bytes, emitted)
  );
}

export const portLearner = (sad: Sad, spd: Spd, table: PeerTable): StageFactory =>
  stageFactory(portLearnerDescriptor, (context) => new PortLearner(context, sad, spd, table));
