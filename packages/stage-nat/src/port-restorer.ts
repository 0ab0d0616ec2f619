import {
  describeStage,
  flowKey,
  limits,
  reverseFlowKey,
  stageFactory,
  updateLengths,
  writeFlowKey,
  type Batch,
  type FlowKey,
  type Random,
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
import { checksum, esp, icmp, ip, read16, read32, tcp, write16 } from '@ngisec/wire';
import { ipAdjustment, transportAdjustment } from './binding-table.ts';
import { findEmittedTransport } from './duplicate.ts';
import { PeerTable, STACK_TUPLE_IN_USE } from './peer-table.ts';
import { translate } from './translate.ts';

/** As long as a gateway keeps a binding: RFC 5382 REQ-5, RFC 4787 REQ-5, RFC 5508 REQ-2. */
const TCP_IDLE_MS = 7_440_000;
const UDP_IDLE_MS = 300_000;
const ECHO_IDLE_MS = 60_000;

export const portRestorerDescriptor = describeStage({
  kind: 'port-restorer',
  summary:
    'At an end host: learns from control packets which ports a network-to-network peer emits, and restores them before data is verified.',
  specifications: ['draft section 6.3', '#71', '#79', '#81', '#82', '#83', '#85', '#117'],
  inputs: {
    wire: { accepts: ['sealed'], description: 'Sealed packets from the network.' },
    opened: { accepts: ['opened'], description: 'The same packets, verified.' },
    leaving: { accepts: ['sealed'], description: 'Sealed packets of the host’s own.' },
  },
  outputs: {
    sealed: { emits: 'sealed', description: 'Data packets with the ports their sender emitted.' },
    opened: {
      emits: 'opened',
      description: 'Verified packets with the addresses and ports the stack knows.',
    },
    wire: {
      emits: 'sealed',
      description: 'For the network, with the ports that NATs on the way expect now.',
    },
  },
  options: {
    capacity: {
      type: 'integer',
      minimum: 1,
      maximum: 1 << 22,
      default: limits.flows,
      description: 'Live flows.',
    },
  },
  counters: {
    learned: { unit: 'packets', description: 'Control packets that taught or confirmed a peer’s ports.' },
    created: { unit: 'entries', description: 'Flows that were new.' },
    remapped: { unit: 'entries', description: 'Flows that a NAT on the way gave another outer tuple.' },
    expired: { unit: 'entries', description: 'Flows that idled out.' },
  },
  drops: {
    unknownFlow: 'Network-to-network data, but no control packet told the ports its sender emits.',
    wrongChannel: 'Its transport header is repeated, but under a data key.',
    noDuplicate: 'Network-to-network control, but its transport header is not repeated whole.',
    headerMismatch: 'Readable and repeated transport header differ in more than ports.',
    tupleInUse: 'The stack knows another flow by that tuple.',
    tableFull: 'No room for another flow.',
  },
});

type Context = StageContext<typeof portRestorerDescriptor>;

class PortRestorer implements Stage<typeof portRestorerDescriptor> {
  readonly inputs = {
    wire: (batch: Batch): void => this.#restoreAll(batch),
    opened: (batch: Batch): void => this.#openedAll(batch),
    leaving: (batch: Batch): void => this.#leaveAll(batch),
  };
  readonly #context: Context;
  readonly #sad: Sad;
  readonly #spd: Spd;
  readonly #table: PeerTable;
  readonly #arriving = flowKey();
  readonly #key = flowKey();

  constructor(context: Context, sad: Sad, spd: Spd, random: Random) {
    this.#context = context;
    this.#sad = sad;
    this.#spd = spd;
    this.#table = new PeerTable(random, context.options.capacity);
  }

  tick(nowMs: number): void {
    this.#context.counters.expired.add(this.#table.sweep(nowMs, limits.sweepEntries, idleLimitMs));
  }

  #restoreAll(batch: Batch): void {
    const { pool, outputs } = this.#context;
    for (let index = 0; index < batch.length; index += 1) {
      const packet = batch.packets[index]!;
      pool.flow[packet] = -1;
      const payload = pool.payload[packet]!;
      const isWhole = pool.end[packet]! - payload >= esp.HEADER_BYTES;
      const sa = isWhole ? this.#sad.findInbound(esp.spi(pool.bytes, payload)) : undefined;
      if (sa?.scope === scopes.ports) {
        this.#restore(packet);
        continue;
      }
      outputs.sealed.push(packet);
      // What it teaches, the data right behind it needs.
      outputs.sealed.flush();
    }
  }

  /** Data: its sender's ports go into the header, for the ICV covers them. */
  #restore(packet: number): void {
    const { pool, outputs, drops } = this.#context;
    this.#readArriving(packet);
    const flow = this.#table.findOuter(this.#key);
    if (flow < 0) return drops.unknownFlow.drop(packet);
    pool.flow[packet] = flow;
    const { bytes } = pool;
    const transport = pool.transport[packet]!;
    const protocol = pool.protocol[packet]!;
    const source = this.#table.emittedSource(flow);
    const destination = this.#table.emittedDestination(flow);
    if (isEcho(protocol)) {
      const before = icmp.identifier(bytes, transport);
      write16(bytes, transport + icmp.IDENTIFIER, source);
      this.#adjust(packet, transport, protocol, before, source);
    } else {
      const before = read16(bytes, transport) + read16(bytes, transport + 2);
      write16(bytes, transport, source);
      write16(bytes, transport + 2, destination);
      this.#adjust(packet, transport, protocol, before, source + destination);
    }
    outputs.sealed.push(packet);
  }

  #adjust(packet: number, transport: number, protocol: number, before: number, after: number): void {
    const { pool } = this.#context;
    if (pool.checksumPending[packet] === 1) return;
    ip.adjustTransportChecksum(pool.bytes, transport, protocol, checksum.adjustment(before, after));
  }

  #openedAll(batch: Batch): void {
    const { pool, outputs, clock } = this.#context;
    const nowMs = clock.nowMs();
    for (let index = 0; index < batch.length; index += 1) {
      const packet = batch.packets[index]!;
      const flow = pool.flow[packet]!;
      const mode = this.#spd.rules[pool.rule[packet]!]?.mode;
      if (flow >= 0) this.#deliver(packet, flow, mode, nowMs);
      else if (mode !== undefined && isNetworkToNetwork(mode)) this.#learn(packet, mode, nowMs);
      else outputs.opened.push(packet);
    }
  }

  #deliver(packet: number, flow: number, mode: Mode | undefined, nowMs: number): void {
    const { pool, outputs } = this.#context;
    this.#table.touch(flow, nowMs);
    // A gateway's channel tells no host from another behind it: in n2n the data channel does.
    if (mode === 'n2n') this.#table.identify(flow, pool.channel[packet]!);
    this.#writeStackTuple(packet, flow);
    outputs.opened.push(packet);
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
    this.#readArriving(packet);
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
    outputs.opened.push(packet);
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
    reverseFlowKey(this.#key, this.#arriving);
    const { bytes } = pool;
    const transport = pool.transport[packet]!;
    pool.checksumPending[packet] = 1;
    if (this.#table.isRemapped(flow)) return this.#translate(packet, this.#arriving);
    const ports = this.#arriving[8]!;
    if (isEcho(pool.protocol[packet]!)) write16(bytes, transport + icmp.IDENTIFIER, ports >>> 16);
    else {
      write16(bytes, transport, ports >>> 16);
      write16(bytes, transport + 2, ports & 0xffff);
    }
  }

  #leaveAll(batch: Batch): void {
    const { outputs, clock } = this.#context;
    const nowMs = clock.nowMs();
    for (let index = 0; index < batch.length; index += 1) {
      const packet = batch.packets[index]!;
      this.#readKey(packet, this.#key);
      const flow = this.#table.findStack(this.#key);
      if (flow >= 0) {
        this.#table.touch(flow, nowMs);
        if (this.#table.isRemapped(flow)) {
          this.#table.readOuter(flow, this.#arriving);
          this.#translate(packet, this.#arriving);
        }
      }
      outputs.wire.push(packet);
    }
  }

  /** Gives the packet another tuple and keeps its checksums right. */
  #translate(packet: number, to: FlowKey): void {
    this.#readKey(packet, this.#key);
    const { pool } = this.#context;
    translate(pool, packet, to, ipAdjustment(this.#key, to), transportAdjustment(this.#key, to));
  }

  /** `#key` becomes the packet's tuple as this host would send it. */
  #readArriving(packet: number): void {
    this.#readKey(packet, this.#arriving);
    reverseFlowKey(this.#arriving, this.#key);
  }

  #readKey(packet: number, key: FlowKey): void {
    const { pool } = this.#context;
    const transport = pool.transport[packet]!;
    const protocol = pool.protocol[packet]!;
    writeFlowKey(key, pool.bytes, pool.start[packet]!, transport, pool.family[packet]!, protocol);
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

const isEcho = (protocol: number): boolean => protocol === ip.ICMP || protocol === ip.ICMPV6;

function idleLimitMs(protocol: number): number {
  if (protocol === ip.TCP) return TCP_IDLE_MS;
  return protocol === ip.UDP ? UDP_IDLE_MS : ECHO_IDLE_MS;
}

export const portRestorer = (sad: Sad, spd: Spd, random: Random): StageFactory =>
  stageFactory(portRestorerDescriptor, (context) => new PortRestorer(context, sad, spd, random));
