import {
  describeStage,
  destinationPortOf,
  flowKey,
  reverseFlowKey,
  setPorts,
  setSource,
  sourcePortOf,
  stageFactory,
  TokenBucket,
  turnAround,
  updateLengths,
  writeFlowKey,
  type Batch,
  type Stage,
  type StageContext,
  type StageFactory,
} from '@ngisec/core';
import { controlMessage, nextHeaders, type Channel, type Sad } from '@ngisec/ipsec';
import { anyPrefixContains, ip, ipv4, ipv6, tcp } from '@ngisec/wire';
import { OUTER_IN_USE, type BindingTable } from './binding-table.ts';
import { allowsTls, gatewayAt, serviceAt, type Site } from './site.ts';
import { findEmittedTransport, makeMappingUpdate } from './duplicate.ts';
import { translateArriving, translateLeaving } from './translate.ts';

export const reverseNatDescriptor = describeStage({
  kind: 'reverse-nat',
  summary: 'Learns from a control packet’s duplicate what NAT did, and undoes it on data packets.',
  specifications: [
    'draft section 6.2',
    '#34',
    '#41',
    '#42',
    '#58',
    '#59',
    '#66',
    '#68',
    '#86',
    '#87',
    '#75',
    '#79',
    '#92',
    'N67',
  ],
  inputs: {
    control: { accepts: ['opened'], description: 'Verified control packets with their duplicate.' },
    data: { accepts: ['sealed-data'], description: 'Data packets from the WAN.' },
    tls: { accepts: ['tls-data'], description: 'Packets without a shim, of flows that were learned as tls.' },
  },
  outputs: {
    control: {
      emits: 'control',
      description: 'The duplicate, now the packet, for the local host’s control channel.',
    },
    clear: {
      emits: 'clear',
      description: 'The duplicate of a tls flow, now the packet, as its host made it.',
      optional: true,
    },
    data: { emits: 'translated', description: 'Data packets with the headers their host emitted.' },
    answer: {
      emits: 'natted',
      description: 'To the peer gateway: confirmations, and what mapping is needed.',
    },
  },
  options: {
    questionsPerSecond: {
      type: 'integer',
      minimum: 0,
      maximum: 1_000_000,
      default: 1000,
      description: 'Times a second a peer gateway is asked for a mapping.',
    },
  },
  counters: {
    asked: {
      unit: 'packets',
      description: 'Data packets without a binding that became a question to the peer gateway.',
    },
    confirmed: { unit: 'packets', description: 'Mapping updates answered.' },
    learned: { unit: 'packets', description: 'Control packets that taught or confirmed a binding.' },
    created: { unit: 'entries', description: 'Bindings that were new.' },
  },
  drops: {
    noDuplicate: 'The control packet carries no well-formed duplicate.',
    wrongPrefix: 'The duplicate names a source not behind that gateway, or a destination not on this LAN.',
    wrongChannel: 'Verified under a key that is no peer gateway’s.',
    noService: 'Network-to-network: no flow of this gateway’s and no service has that outer tuple.',
    noHost: 'No control channel leads to the local host.',
    tlsRefused: 'Declared as tls, which policy does not allow, or its flow or its host is a protected one.',
    protectedFlow: 'Without a shim, but its flow is a protected one.',
    outerInUse: 'A flow of this gateway’s own has that outer tuple.',
    tableFull: 'No room for another binding.',
    noBinding: 'Data without a binding, from no peer gateway or too often to ask for it.',
    needMapping: 'The peer gateway’s question, taken note of; its way ends here.',
    confirmation: 'The peer gateway’s confirmation, taken note of; its way ends here.',
  },
});

type Context = StageContext<typeof reverseNatDescriptor>;

class ReverseNat implements Stage<typeof reverseNatDescriptor> {
  readonly inputs = {
    control: (batch: Batch): void => this.#controlAll(batch),
    data: (batch: Batch): void => this.#dataAll(batch, false),
    tls: (batch: Batch): void => this.#dataAll(batch, true),
  };
  readonly #context: Context;
  readonly #table: BindingTable;
  readonly #site: Site;
  readonly #sad: Sad;
  readonly #questions: TokenBucket;
  readonly #outer = flowKey();
  readonly #duplicate = flowKey();
  readonly #inner = flowKey();

  constructor(context: Context, table: BindingTable, site: Site, sad: Sad) {
    this.#context = context;
    const { questionsPerSecond } = context.options;
    this.#questions = new TokenBucket(questionsPerSecond, questionsPerSecond);
    this.#table = table;
    this.#site = site;
    this.#sad = sad;
  }

  #controlAll(batch: Batch): void {
    const nowMs = this.#context.clock.nowMs();
    for (let index = 0; index < batch.length; index += 1) this.#control(batch.packets[index]!, nowMs);
  }

  #control(packet: number, nowMs: number): void {
    const { pool, outputs, drops, counters } = this.#context;
    const { bytes } = pool;
    const channel = pool.channel[packet]!;
    const peer = this.#site.peers.findIndex((gateway) => gateway.channel.index === channel);
    if (peer < 0) return drops.wrongChannel.drop(packet);
    this.#readKey(packet);
    if (this.#takeNote(packet, nowMs)) return;
    if (this.#site.peers[peer]!.mode === 'n2n') return this.#networkControl(packet, peer, nowMs);
    const outer = pool.start[packet]!;
    const outerPayload = pool.payload[packet]!;
    const isTlsPacket = pool.nextHeader[packet] === nextHeaders.tlsPacket;
    if (!this.#unwrap(packet)) return drops.noDuplicate.drop(packet);
    const start = pool.start[packet]!;
    const family = pool.family[packet]!;
    const destination = start + ip.destinationOffset(family);
    const isTheirs = anyPrefixContains(
      this.#site.peers[peer]!.prefixes,
      bytes,
      start + ip.sourceOffset(family),
      family,
    );
    if (!isTheirs || !anyPrefixContains(this.#site.prefixes, bytes, destination, family)) {
      return drops.wrongPrefix.drop(packet);
    }
    const isMessage = pool.nextHeader[packet] === nextHeaders.controlMessage;
    const [payload, end] = [pool.payload[packet]!, pool.end[packet]!];
    const isTlsUpdate = isMessage && controlMessage.declaresTls(bytes, payload, end);
    const isTls = isTlsPacket || isTlsUpdate;
    const isUpdate = isTlsUpdate || (isMessage && payload === end);
    const host = this.#sad.channelFor('control', bytes, destination, family);
    if (host === undefined && !isUpdate && !isTls) return drops.noHost.drop(packet);
    const transport = pool.transport[packet]!;
    const protocol = pool.protocol[packet]!;
    writeFlowKey(this.#duplicate, bytes, start, transport, family, protocol);
    reverseFlowKey(this.#duplicate, this.#inner);
    if (isTls && !this.#mayBeTls(peer, protocol, host)) return drops.tlsRefused.drop(packet);
    const bindingsBefore = this.#table.size;
    const binding = this.#table.learn(this.#inner, this.#outer, peer, nowMs);
    if (binding === OUTER_IN_USE) return this.#refuse(packet, isUpdate);
    if (binding < 0) return drops.tableFull.drop(packet);
    counters.learned.value += 1;
    this.#table.isTls[binding] = isTls ? 1 : 0;
    if (this.#table.size > bindingsBefore) counters.created.value += 1;
    this.#table.note(binding, false, protocol, tcp.flags(bytes, transport), nowMs);
    if (isUpdate) return this.#confirm(packet, outer, outerPayload);
    if (isTls) return outputs.clear.push(packet);
    pool.channel[packet] = host!.index;
    outputs.control.push(packet);
  }

  /**
   * Whether the flow of `#duplicate` may be one that only TLS protects: a new one by policy, and never to a host that
   * runs NGISec; a known one only where it was before.
   */
  #mayBeTls(peer: number, protocol: number, host: Channel | undefined): boolean {
    const known = this.#table.findInner(this.#inner);
    if (known >= 0) return this.#table.isTls[known] === 1;
    const port = destinationPortOf(this.#duplicate);
    return host === undefined && allowsTls(this.#site.peers[peer]!, protocol, port);
  }

  /** Network to network (draft section 6.3): the duplicate names no host; this gateway's table, or a service, does. */
  #networkControl(packet: number, peer: number, nowMs: number): void {
    const { pool, outputs, drops, counters } = this.#context;
    const { bytes } = pool;
    const [start, payload] = [pool.start[packet]!, pool.payload[packet]!];
    const emitted = findEmittedTransport(pool, packet);
    if (emitted < 0) return drops.noDuplicate.drop(packet);
    let binding = this.#table.findOuter(this.#outer);
    if (binding < 0) {
      const service = serviceAt(this.#site, this.#outer);
      if (service === undefined) return drops.noService.drop(packet);
      const family = pool.family[packet]!;
      const remotePort = sourcePortOf(this.#outer);
      const isEcho = pool.protocol[packet] === ip.ICMP || pool.protocol[packet] === ip.ICMPV6;
      reverseFlowKey(this.#outer, this.#inner);
      setSource(this.#inner, service.host, 0, family);
      setPorts(this.#inner, isEcho ? remotePort : service.hostPort, remotePort);
      binding = this.#table.learn(this.#inner, this.#outer, peer, nowMs);
      if (binding < 0) return drops.tableFull.drop(packet);
      counters.created.value += 1;
    }
    counters.learned.value += 1;
    this.#table.note(binding, false, pool.protocol[packet]!, tcp.flags(bytes, emitted), nowMs);
    const isMessage = pool.nextHeader[packet] === nextHeaders.controlMessage;
    if (
      isMessage &&
      emitted + controlMessage.itemLength(bytes, emitted - controlMessage.ITEM_HEADER_BYTES) ===
        pool.end[packet]
    ) {
      return this.#confirm(packet, start, payload);
    }
    translateArriving(pool, packet, this.#table, binding, this.#outer, this.#inner);
    const family = pool.family[packet]!;
    const host = this.#sad.channelFor('control', bytes, start + ip.destinationOffset(family), family);
    if (host === undefined) return drops.noHost.drop(packet);
    pool.channel[packet] = host.index;
    outputs.control.push(packet);
  }

  /** A message between gateways that is about the flow its own outer headers name; true where it was one. */
  #takeNote(packet: number, nowMs: number): boolean {
    const { pool, drops } = this.#context;
    if (pool.nextHeader[packet] !== nextHeaders.controlMessage) return false;
    const item = pool.payload[packet]!;
    if (item + controlMessage.ITEM_HEADER_BYTES > pool.end[packet]!) return false;
    const type = controlMessage.itemType(pool.bytes, item);
    if (type !== controlMessage.items.needMapping && type !== controlMessage.items.confirmation) return false;
    const binding = this.#table.findOuter(this.#outer);
    if (type === controlMessage.items.needMapping) {
      if (binding >= 0) this.#table.requestUpdate(binding, nowMs);
      drops.needMapping.drop(packet);
    } else {
      if (binding >= 0) this.#table.confirm(binding);
      drops.confirmation.drop(packet);
    }
    return true;
  }

  /** Answers a mapping update over the outer tuple it came by. */
  #confirm(packet: number, outer: number, outerPayload: number): void {
    const { pool, counters } = this.#context;
    pool.transport[packet] = outer + (pool.transport[packet]! - pool.start[packet]!);
    pool.start[packet] = outer;
    pool.payload[packet] = outerPayload;
    counters.confirmed.value += 1;
    this.#answer(packet, controlMessage.items.confirmation);
  }

  /** The outer tuple is another flow's of ours. A peer that lost its own memory of this one is told our mapping. */
  #refuse(packet: number, isUpdate: boolean): void {
    const { pool, outputs, drops } = this.#context;
    const known = this.#table.findInner(this.#inner);
    if (!isUpdate || known < 0) return drops.outerInUse.drop(packet);
    turnAround(pool, packet);
    if (!makeMappingUpdate(pool, packet, this.#table.isTls[known] === 1 ? 'tls' : 'vpn'))
      return drops.outerInUse.drop(packet);
    translateLeaving(pool, packet, this.#table, known, this.#inner);
    outputs.answer.push(packet);
  }

  /** Sends the packet's own headers back with one item in place of its payload. */
  #answer(packet: number, item: number): void {
    const { pool, outputs } = this.#context;
    turnAround(pool, packet);
    pool.end[packet] = controlMessage.writeItemHeader(pool.bytes, pool.payload[packet]!, item, 0);
    pool.nextHeader[packet] = nextHeaders.controlMessage;
    updateLengths(pool, packet);
    outputs.answer.push(packet);
  }

  /**
   * Makes the duplicate the packet; false where there is none, or it is not whole.
   *
   *     transport data    | IP | T | IP | T | data |                   the inner packet ends where the outer one does
   *     control message   | IP | T | item header | IP | T | items |    the item's length is that of IP | T
   */
  #unwrap(packet: number): boolean {
    const { pool } = this.#context;
    const { bytes } = pool;
    const family = pool.family[packet]!;
    const protocol = pool.protocol[packet]!;
    const end = pool.end[packet]!;
    let start = pool.payload[packet]!;
    const isMessage = pool.nextHeader[packet] === nextHeaders.controlMessage;
    let headersEnd = end;
    if (isMessage) {
      if (start + controlMessage.ITEM_HEADER_BYTES > end) return false;
      if (controlMessage.itemType(bytes, start) !== controlMessage.items.mapping) return false;
      headersEnd = start + controlMessage.ITEM_HEADER_BYTES + controlMessage.itemLength(bytes, start);
      start += controlMessage.ITEM_HEADER_BYTES;
    } else if (
      pool.nextHeader[packet] !== nextHeaders.tlsPacket &&
      pool.nextHeader[packet] !== (family === 4 ? nextHeaders.ipv4Packet : nextHeaders.ipv6Packet)
    ) {
      return false;
    }
    const header = family === 4 ? ipv4.HEADER_BYTES_MIN : ipv6.HEADER_BYTES;
    if (headersEnd > end || start + header > headersEnd || bytes[start]! >>> 4 !== family) return false;
    const found =
      family === 4
        ? (ipv4.headerBytes(bytes, start) << 8) | ipv4.protocol(bytes, start)
        : ipv6.findTransport(bytes, start, headersEnd);
    const transport = start + (found >> 8);
    const length =
      family === 4 ? ipv4.totalLength(bytes, start) : ipv6.HEADER_BYTES + ipv6.payloadLength(bytes, start);
    if (found < 0 || (found & 0xff) !== protocol || start + length !== end || transport < start + header)
      return false;
    const transportBytes = ip.transportHeaderBytes(bytes, transport, headersEnd, protocol);
    if (transportBytes === 0 || (isMessage && transport + transportBytes !== headersEnd)) return false;
    pool.start[packet] = start;
    pool.transport[packet] = transport;
    pool.payload[packet] = transport + transportBytes;
    pool.checksumPending[packet] = 0;
    if (!isMessage) pool.nextHeader[packet] = nextHeaders.transportData;
    return true;
  }

  #dataAll(batch: Batch, isTls: boolean): void {
    const { pool, outputs, drops, clock } = this.#context;
    const nowMs = clock.nowMs();
    for (let index = 0; index < batch.length; index += 1) {
      const packet = batch.packets[index]!;
      this.#readKey(packet);
      const binding = this.#table.findOuter(this.#outer);
      if (binding < 0) {
        this.#ask(packet, nowMs);
        continue;
      }
      if (isTls && this.#table.isTls[binding] === 0) {
        drops.protectedFlow.drop(packet);
        continue;
      }
      const flags = tcp.flags(pool.bytes, pool.transport[packet]!);
      this.#table.note(binding, false, pool.protocol[packet]!, flags, nowMs);
      translateArriving(pool, packet, this.#table, binding, this.#outer, this.#inner);
      outputs.data.push(packet);
    }
  }

  /** The peer gateway knows the flow, or it would not send: it is asked, over the very tuple the packet came by. */
  #ask(packet: number, nowMs: number): void {
    const { pool, drops, counters } = this.#context;
    const family = pool.family[packet]!;
    const source = pool.start[packet]! + ip.sourceOffset(family);
    const peer = gatewayAt(this.#site, pool.bytes, source, family);
    if (peer === undefined || !this.#questions.take(nowMs)) return drops.noBinding.drop(packet);
    pool.channel[packet] = peer.channel.index;
    counters.asked.value += 1;
    this.#answer(packet, controlMessage.items.needMapping);
  }

  #readKey(packet: number): void {
    const { pool } = this.#context;
    const transport = pool.transport[packet]!;
    writeFlowKey(
      this.#outer,
      pool.bytes,
      pool.start[packet]!,
      transport,
      pool.family[packet]!,
      pool.protocol[packet]!,
    );
  }
}

export const reverseNat = (table: BindingTable, site: Site, sad: Sad): StageFactory =>
  stageFactory(reverseNatDescriptor, (context) => new ReverseNat(context, table, site, sad));
