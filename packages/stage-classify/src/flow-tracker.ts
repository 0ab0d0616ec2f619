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
import {
  controlMessage,
  isNetworkToNetwork,
  nextHeaders,
  type Channel,
  type Mode,
  type Sad,
  type Spd,
} from '@ngisec/ipsec';
import { ip, read32, tcp } from '@ngisec/wire';
import { turnIntoConfirmation, writeAnnouncement } from './flow-messages.ts';
import { FlowState } from './flow-state.ts';

const SECONDS = 1000;
/** RFC 5382 REQ-5: established TCP idles at least 2 h 4 min. */
const TCP_IDLE_MS = 7440 * SECONDS;
/** Below the gateways' 300 s and 60 s, so that a host announces a flow again before its binding is gone (#110). */
const UDP_IDLE_MS = 240 * SECONDS;
const ECHO_IDLE_MS = 45 * SECONDS;
/**
 * After so much silence of its peer a TCPSec or UDPSec flow sends control packets again, for a NAT that knows nothing
 * of us may have forgotten it; below the 30 s of Linux for UDP.
 */
const TCPSEC_CONFIRMED_MS = 25 * SECONDS;
/** The data channel of a TCPSec flow that the peer began is not known before its first data packet. */
const NOT_KNOWN = -1;

export const flowTrackerDescriptor = describeStage({
  kind: 'flow-tracker',
  summary:
    'At an end host: tells control from data, announces UDP and ICMP flows, keeps each flow’s channels.',
  specifications: ['draft section 6', '#26', '#27', '#33', '#44', '#84', '#110', '#117'],
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
    const mode = this.#modeOf(packet);
    const isControl = this.#isControl(packet, flow, isNew, mode, nowMs);
    const controlChannel = this.#flows.controlChannel[flow]!;
    const dataChannel = this.#flows.dataChannel[flow]!;
    const isAnnounced = protocol !== ip.TCP && mode !== 'tcpsec' && controlChannel !== dataChannel;
    if (isAnnounced && !this.#flows.isConfirmed(flow, nowMs)) this.#announce(packet, flow, mode, nowMs);
    pool.channel[packet] = isControl ? controlChannel : dataChannel;
    (isControl ? outputs.control : outputs.data).push(packet);
  }

  #modeOf(packet: number): Mode | undefined {
    return this.#spd.rules[this.#context.pool.rule[packet]!]?.mode;
  }

  #isControl(packet: number, flow: number, isNew: boolean, mode: Mode | undefined, nowMs: number): boolean {
    const { pool } = this.#context;
    const isTcp = pool.protocol[packet] === ip.TCP;
    if (isTcp && (tcp.flags(pool.bytes, pool.transport[packet]!) & tcp.SYN) !== 0) return true;
    const dataChannel = this.#flows.dataChannel[flow]!;
    if (mode === 'tcpsec')
      return dataChannel === NOT_KNOWN || !this.#flows.isConfirmed(flow, nowMs, TCPSEC_CONFIRMED_MS);
    // One channel for both (LAN): nothing on the way has to be told, so a first payload needs no announcement.
    return !isTcp && isNew && this.#flows.controlChannel[flow] === dataChannel;
  }

  /** Enters a flow the host starts or answers; -1 where the table is full, -2 where no channel leads there. */
  #enter(packet: number, peer: number, nowMs: number): number {
    const { pool, counters } = this.#context;
    const { bytes } = pool;
    const family = pool.family[packet]!;
    const { mode, channels } = this.#spd.rules[pool.rule[packet]!]!;
    const data = this.#sad.channelFor('data', bytes, peer, family, channels);
    if (data === undefined) return NO_CHANNEL;
    const isLan = mode === 'lan';
    const control = isLan ? data : this.#sad.channelFor('control', bytes, peer, family, channels);
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
  #announce(packet: number, flow: number, mode: Mode | undefined, nowMs: number): void {
    const { pool, outputs, options, counters, created } = this.#context;
    const flows = this.#flows;
    if (nowMs < flows.announceAtMs[flow]!) return;
    const sa = this.#sad.channels[flows.dataChannel[flow]!]!.outbound;
    const message = writeAnnouncement(pool, packet, sa, mode);
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
    const mode = this.#modeOf(packet);
    const isControl = isSyn || (mode === 'tcpsec' && channel.carriesControl);
    if (isControl ? !channel.carriesControl : !channel.carriesData) return drops.wrongChannel.drop(packet);
    if (mode !== undefined && isNetworkToNetwork(mode)) {
      return this.#fromHiddenPeer(packet, flow, channel, mode, isControl, nowMs);
    }
    if (flow >= 0) {
      this.#flows.touch(flow, nowMs);
      this.#flows.confirm(flow, nowMs);
    }
    outputs.deliver.push(packet);
  }

  /**
   * A peer's address does not tell which host it is (#117): the channel it proves itself by does. TCPSec flows keep the
   * control channel that began them; the first data channel that verifies is the flow's from then on.
   */
  #fromHiddenPeer(
    packet: number,
    found: number,
    channel: Channel,
    mode: Mode,
    isControl: boolean,
    nowMs: number,
  ): void {
    const { pool, outputs, drops, counters } = this.#context;
    const flows = this.#flows;
    let flow = found;
    if (isControl && mode === 'tcpsec') {
      const isTcp = pool.protocol[packet] === ip.TCP;
      const opens =
        !isTcp || (tcp.flags(pool.bytes, pool.transport[packet]!) & (tcp.SYN | tcp.ACK)) === tcp.SYN;
      if (flow < 0) {
        flow = flows.insert(this.#key, nowMs, NOT_KNOWN, channel.index, idleLimitMs(pool.protocol[packet]!));
        if (flow < 0) return drops.tableFull.drop(packet);
        flows.isOwn[flow] = 0;
        counters.flows.value += 1;
      } else if (flows.controlChannel[flow] !== channel.index) {
        // A NAT may give the tuple of a flow that ended to another host.
        if (flows.isOwn[flow] === 1 || !opens) return drops.wrongChannel.drop(packet);
        flows.controlChannel[flow] = channel.index;
        flows.dataChannel[flow] = NOT_KNOWN;
        flows.isBound[flow] = 0;
      }
    } else if (isControl && flow >= 0) {
      flows.isBound[flow] = 0;
    } else if (flow >= 0) {
      if (flows.isBound[flow] === 1 && flows.dataChannel[flow] !== channel.index)
        return drops.wrongChannel.drop(packet);
      flows.dataChannel[flow] = channel.index;
      flows.isBound[flow] = 1;
    }
    if (flow >= 0) {
      flows.touch(flow, nowMs);
      flows.confirm(flow, nowMs);
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
    if (this.#modeOf(packet) === 'n2n') this.#takeDeclared(packet, flow);
    this.#flows.confirm(flow, nowMs);
    this.#flows.touch(flow, nowMs);
    turnIntoConfirmation(pool, packet);
    counters.confirmed.value += 1;
    pool.channel[packet] = this.#flows.controlChannel[flow]!;
    outputs.control.push(packet);
  }

  /** Behind one address there may be many hosts: the declared SPI, which this host gave away, says which one it is. */
  #takeDeclared(packet: number, flow: number): void {
    const { pool } = this.#context;
    const { bytes } = pool;
    const [payload, end] = [pool.payload[packet]!, pool.end[packet]!];
    const item = controlMessage.findItem(bytes, payload, end, controlMessage.items.declaration);
    if (item + controlMessage.DECLARATION_BYTES > end) return;
    const sa = this.#sad.findInbound(read32(bytes, item + controlMessage.ITEM_HEADER_BYTES));
    if (sa === undefined || !this.#sad.channels[sa.channel]!.carriesData) return;
    const source = pool.start[packet]! + ip.sourceOffset(pool.family[packet]!);
    if (!this.#sad.channels[sa.channel]!.isPeer(bytes, source, pool.family[packet]!)) return;
    this.#flows.dataChannel[flow] = sa.channel;
    this.#flows.isBound[flow] = 0;
  }
}

function idleLimitMs(protocol: number): number {
  if (protocol === ip.TCP) return TCP_IDLE_MS;
  return protocol === ip.UDP ? UDP_IDLE_MS : ECHO_IDLE_MS;
}

export const flowTracker = (sad: Sad, spd: Spd, random: Random): StageFactory =>
  stageFactory(flowTrackerDescriptor, (context) => new FlowTracker(context, sad, spd, random));
