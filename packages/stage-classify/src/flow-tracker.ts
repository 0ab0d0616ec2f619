import {
  describeStage,
  flowKey,
  limits,
  reverseFlowKey,
  stageFactory,
  writeFlowKey,
  type Batch,
  type Random,
  type Stage,
  type StageContext,
  type StageFactory,
} from '@ngisec/core';
import { controlMessage, nextHeaders, type Sad, type Spd } from '@ngisec/ipsec';
import { ip, tcp } from '@ngisec/wire';
import { turnIntoConfirmation, writeAnnouncement } from './flow-messages.ts';
import { FlowState } from './flow-state.ts';

const SECONDS = 1000;
/** RFC 5382 REQ-5: established TCP idles at least 2 h 4 min. */
const TCP_IDLE_MS = 7440 * SECONDS;
/** Below the gateways' 300 s and 60 s, so that a host announces a flow again before its binding is gone (#110). */
const UDP_IDLE_MS = 240 * SECONDS;
const ECHO_IDLE_MS = 45 * SECONDS;

export const flowTrackerDescriptor = describeStage({
  kind: 'flow-tracker',
  summary:
    'At an end host: tells control from data, announces UDP and ICMP flows, keeps each flow’s channels.',
  specifications: ['draft section 6', '#26', '#27', '#33', '#44', '#110'],
  inputs: {
    outbound: { accepts: ['plain'], description: 'What the host’s stack sends and policy protects.' },
    inbound: { accepts: ['opened'], description: 'Verified packets from the network.' },
  },
  outputs: {
    control: {
      emits: 'control',
      description: 'SYNs, announcements, confirmations; leaves before the data of the same batch.',
    },
    data: { emits: 'data', description: 'Everything else of the host’s flows.' },
    deliver: { emits: 'opened', description: 'For the host’s stack.' },
  },
  options: {
    capacity: {
      type: 'integer',
      minimum: 1,
      maximum: 1 << 22,
      default: limits.flows,
      description: 'Live flows.',
    },
    announcePauseMs: {
      type: 'integer',
      minimum: 1,
      maximum: 60_000,
      default: 100,
      description: 'First pause before a flow is announced again; doubles.',
    },
    announcePauseMaxMs: {
      type: 'integer',
      minimum: 1,
      maximum: 600_000,
      default: 30_000,
      description: 'Longest pause between announcements.',
    },
  },
  counters: {
    flows: { unit: 'entries', description: 'Flows entered.' },
    expired: { unit: 'entries', description: 'Flows that idled out.' },
    announced: { unit: 'packets', description: 'Header-only control messages made.' },
    confirmed: { unit: 'packets', description: 'Confirmations answered to announcements.' },
  },
  drops: {
    noChannel: 'No secure channel leads to the peer; the packet is not sent in the clear.',
    tableFull: 'No room for another flow.',
    confirmation: 'A confirmation, taken note of; its way ends here.',
    unknownMessage: 'A control message of no known kind.',
    wrongChannel: 'A data packet under a control key, or a control packet under a data key.',
    unexpectedPayload: 'The plaintext is neither transport data nor a control message.',
    notLocal: 'Its flow is none of this host’s: nothing is to be confirmed.',
  },
});

const NO_CHANNEL = -2;

type Context = StageContext<typeof flowTrackerDescriptor>;

class FlowTracker implements Stage<typeof flowTrackerDescriptor> {
  readonly inputs = {
    outbound: (batch: Batch): void => this.#outboundAll(batch),
    inbound: (batch: Batch): void => this.#inboundAll(batch),
  };
  readonly #context: Context;
  readonly #sad: Sad;
  readonly #spd: Spd;
  readonly #flows: FlowState;
  readonly #key = flowKey();
  readonly #reverse = flowKey();

  constructor(context: Context, sad: Sad, spd: Spd, random: Random) {
    this.#context = context;
    this.#sad = sad;
    this.#spd = spd;
    this.#flows = new FlowState(random, context.options.capacity);
  }

  tick(nowMs: number): void {
    this.#context.counters.expired.add(this.#flows.sweep(nowMs, limits.sweepEntries));
  }

  #outboundAll(batch: Batch): void {
    const nowMs = this.#context.clock.nowMs();
    for (let index = 0; index < batch.length; index += 1) this.#outbound(batch.packets[index]!, nowMs);
  }

  #outbound(packet: number, nowMs: number): void {
    const { pool, outputs, drops } = this.#context;
    const { bytes } = pool;
    const start = pool.start[packet]!;
    const transport = pool.transport[packet]!;
    const family = pool.family[packet]!;
    const protocol = pool.protocol[packet]!;
    writeFlowKey(this.#key, bytes, start, transport, family, protocol);
    let flow = this.#flows.find(this.#key);
    const isNew = flow < 0;
    if (isNew) {
      flow = this.#enter(packet, start + ip.destinationOffset(family), nowMs);
      if (flow === NO_CHANNEL) return drops.noChannel.drop(packet);
      if (flow < 0) return drops.tableFull.drop(packet);
    } else this.#flows.touch(flow, nowMs);
    const controlChannel = this.#flows.controlChannel[flow]!;
    const dataChannel = this.#flows.dataChannel[flow]!;
    const isTcp = protocol === ip.TCP;
    // One channel for both (LAN): nothing on the way has to be told, so a first payload needs no announcement.
    const isControl = isTcp
      ? (tcp.flags(bytes, transport) & tcp.SYN) !== 0
      : isNew && controlChannel === dataChannel;
    if (!isTcp && controlChannel !== dataChannel && !this.#flows.isConfirmed(flow, nowMs))
      this.#announce(packet, flow, nowMs);
    pool.channel[packet] = isControl ? controlChannel : dataChannel;
    (isControl ? outputs.control : outputs.data).push(packet);
  }

  /** Enters a flow the host starts or answers; -1 where the table is full, -2 where no channel leads there. */
  #enter(packet: number, peer: number, nowMs: number): number {
    const { pool, counters } = this.#context;
    const { bytes } = pool;
    const family = pool.family[packet]!;
    const data = this.#sad.channelFor('data', bytes, peer, family);
    if (data === undefined) return NO_CHANNEL;
    const isLan = this.#spd.rules[pool.rule[packet]!]!.mode === 'lan';
    const control = isLan ? data : this.#sad.channelFor('control', bytes, peer, family);
    if (control === undefined || (isLan && !data.carriesControl)) return NO_CHANNEL;
    const flow = this.#flows.insert(
      this.#key,
      nowMs,
      data.index,
      control.index,
      idleLimitMs(pool.protocol[packet]!),
    );
    if (flow >= 0) counters.flows.value += 1;
    return flow;
  }

  /** Sends a header-only control message ahead of an unconfirmed flow's packet, at growing intervals (#27, #33). */
  #announce(packet: number, flow: number, nowMs: number): void {
    const { pool, outputs, options, counters, created } = this.#context;
    const flows = this.#flows;
    if (nowMs < flows.announceAtMs[flow]!) return;
    const sa = this.#sad.channels[flows.dataChannel[flow]!]!.outbound;
    const message = writeAnnouncement(pool, packet, sa);
    if (message < 0) return;
    created.value += 1;
    counters.announced.value += 1;
    const pauseMs = flows.announcePauseMs[flow]!;
    flows.announcePauseMs[flow] = Math.min(
      Math.max(options.announcePauseMs, 2 * pauseMs),
      options.announcePauseMaxMs,
    );
    flows.announceAtMs[flow] = nowMs + flows.announcePauseMs[flow]!;
    pool.channel[message] = flows.controlChannel[flow]!;
    outputs.control.push(message);
    // A full batch of data would leave before it: an announcement is one packet more than came in.
    outputs.control.flush();
  }

  #inboundAll(batch: Batch): void {
    const nowMs = this.#context.clock.nowMs();
    for (let index = 0; index < batch.length; index += 1) this.#inbound(batch.packets[index]!, nowMs);
  }

  #inbound(packet: number, nowMs: number): void {
    const { pool, outputs, drops } = this.#context;
    const { bytes } = pool;
    const transport = pool.transport[packet]!;
    const protocol = pool.protocol[packet]!;
    const channel = this.#sad.channels[pool.channel[packet]!]!;
    writeFlowKey(this.#reverse, bytes, pool.start[packet]!, transport, pool.family[packet]!, protocol);
    reverseFlowKey(this.#reverse, this.#key);
    const flow = this.#flows.find(this.#key);
    if (pool.nextHeader[packet] === nextHeaders.controlMessage) {
      if (!channel.carriesControl) return drops.wrongChannel.drop(packet);
      return this.#message(packet, flow, nowMs);
    }
    if (pool.nextHeader[packet] !== nextHeaders.transportData) return drops.unexpectedPayload.drop(packet);
    const isSyn = protocol === ip.TCP && (tcp.flags(bytes, transport) & tcp.SYN) !== 0;
    if (isSyn ? !channel.carriesControl : !channel.carriesData) return drops.wrongChannel.drop(packet);
    if (flow >= 0) {
      this.#flows.touch(flow, nowMs);
      this.#flows.confirm(flow, nowMs);
    }
    outputs.deliver.push(packet);
  }

  #message(packet: number, found: number, nowMs: number): void {
    const { pool, outputs, drops, counters } = this.#context;
    const { bytes } = pool;
    const [payload, end] = [pool.payload[packet]!, pool.end[packet]!];
    if (controlMessage.findItem(bytes, payload, end, controlMessage.items.confirmation) >= 0) {
      if (found >= 0) this.#flows.confirm(found, nowMs);
      return drops.confirmation.drop(packet);
    }
    if (controlMessage.findItem(bytes, payload, end, controlMessage.items.declaration) < 0) {
      return drops.unknownMessage.drop(packet);
    }
    const family = pool.family[packet]!;
    const flow =
      found >= 0 ? found : this.#enter(packet, pool.start[packet]! + ip.sourceOffset(family), nowMs);
    if (flow < 0) return drops.notLocal.drop(packet);
    this.#flows.confirm(flow, nowMs);
    this.#flows.touch(flow, nowMs);
    turnIntoConfirmation(pool, packet);
    counters.confirmed.value += 1;
    pool.channel[packet] = this.#flows.controlChannel[flow]!;
    outputs.control.push(packet);
  }
}

function idleLimitMs(protocol: number): number {
  if (protocol === ip.TCP) return TCP_IDLE_MS;
  return protocol === ip.UDP ? UDP_IDLE_MS : ECHO_IDLE_MS;
}

export const flowTracker = (sad: Sad, spd: Spd, random: Random): StageFactory =>
  stageFactory(flowTrackerDescriptor, (context) => new FlowTracker(context, sad, spd, random));
