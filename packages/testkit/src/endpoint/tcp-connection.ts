import type { VirtualClock } from '@ngisec/core';
import { tcp } from '@ngisec/wire';
import { DeadlineTimer } from './deadline-timer.ts';
import { Reassembly } from './reassembly.ts';
import { RoundTrip } from './round-trip.ts';
import type { SocketAddress } from './socket-address.ts';
import {
  sequenceAdd,
  sequenceDistance,
  TIMESTAMP_BYTES,
  type TcpOptions,
  type TcpSegment,
} from './tcp-segment.ts';

/** `timeWait` is also used by the side that closed last: it acknowledges a repeated FIN just as well. */
export type TcpState = 'listen' | 'synSent' | 'synReceived' | 'established' | 'timeWait' | 'closed';

export type ResetReason = 'peer' | 'timeout' | 'local';

export interface TcpConnectionOptions {
  readonly clock: VirtualClock;
  readonly local: SocketAddress;
  readonly peer: SocketAddress;
  readonly initialSequence: number;
  /** What this side offers: its MTU less the IP and TCP headers (RFC 9293 section 3.7.1). */
  readonly mss: number;
  readonly windowBytes: number;
  readonly transmit: (segment: Omit<TcpSegment, 'sport' | 'dport'>) => void;
  /** The connection is over; its ports may be used again. */
  readonly release: () => void;
}

const { ACK, FIN, PSH, RST, SYN } = tcp;

const WINDOW_SCALE = 2;
/** RFC 9293 section 3.7.1. */
const MSS_DEFAULT = 536;
const HANDSHAKE_RETRIES_MAX = 6;
const RETRIES_MAX = 12;
/** RFC 5681 section 3.2. */
const DUPLICATE_ACKS = 3;
const TIME_WAIT_MS = 60_000;
const NOTHING = new Uint8Array(0);

/**
 * One end of a TCP connection: the subset of RFC 9293 that brings data intact over any network. No congestion
 * control, urgent data, keepalive or window probes (its window never closes); every segment is acknowledged at once.
 *
 *     una            nxt            una + peer's window
 *      | sent, unacknowledged | may be sent |
 *      ^ first octet of #buffer, once the handshake is over
 */
export class TcpConnection {
  readonly local: SocketAddress;
  /** As getpeername() would show it. */
  readonly peer: SocketAddress;
  onConnect: () => void = () => undefined;
  onData: (octets: Uint8Array) => void = () => undefined;
  /** The peer sends no more. */
  onEnd: () => void = () => undefined;
  /** Both sides have sent everything and know that it arrived. */
  onClose: () => void = () => undefined;
  onReset: (reason: ResetReason) => void = () => undefined;
  readonly counters = { retransmissions: 0, timeouts: 0, outOfOrder: 0, challenges: 0 };

  readonly #options: TcpConnectionOptions;
  readonly #timer: DeadlineTimer;
  readonly #roundTrip = new RoundTrip();
  readonly #reassembly = new Reassembly();
  #state: TcpState = 'listen';

  #buffer: Uint8Array = NOTHING;
  #una: number;
  #nxt: number;
  #peerWindow = 0;
  #peerMss = MSS_DEFAULT;
  #peerScale: number | undefined;
  #duplicateAcks = 0;
  /** While data sent before a loss was noticed is unacknowledged: where it ends (RFC 6582). */
  #recoverUntil: number | undefined;
  #isClosing = false;
  #isFinSent = false;

  #receiveNext = 0;
  #recentTimestamp: number | undefined;
  #peerFin: number | undefined;
  #hasPeerEnded = false;

  constructor(options: TcpConnectionOptions) {
    this.#options = options;
    this.local = options.local;
    this.peer = options.peer;
    this.#timer = new DeadlineTimer(options.clock, () => this.#retransmitLate());
    this.#una = options.initialSequence;
    this.#nxt = sequenceAdd(this.#una, 1);
  }

  get state(): TcpState {
    return this.#state;
  }

  /** Active open. */
  open(): void {
    this.#state = 'synSent';
    this.#sendSyn();
  }

  /** Passive open by a peer's SYN. */
  accept(syn: TcpSegment): void {
    this.#state = 'synReceived';
    this.#readSyn(syn);
    this.#sendSyn();
  }

  /** Queues data, which may be called before the handshake is over. */
  write(octets: Uint8Array): void {
    if (this.#isClosing || this.#state === 'closed')
      throw new Error('write to a TCP connection that was closed');
    const joined = new Uint8Array(this.#buffer.length + octets.length);
    joined.set(this.#buffer);
    joined.set(octets, this.#buffer.length);
    this.#buffer = joined;
    this.#sendWhatFits();
  }

  /** Sends FIN behind what is queued; data may still arrive. */
  close(): void {
    this.#isClosing = true;
    this.#sendWhatFits();
  }

  /** Gives up with an RST. */
  abort(): void {
    if (this.#state === 'closed') return;
    if (this.#state !== 'synSent') this.#send(RST | ACK, this.#nxt, NOTHING);
    this.#end('local');
  }

  /** A segment with a right checksum that belongs to this connection (RFC 9293 section 3.10.7). */
  receive(segment: TcpSegment): void {
    if (this.#state === 'closed') return;
    if (this.#state === 'synSent') return this.#receiveInSynSent(segment);
    const repeatsSyn = (segment.flags & SYN) !== 0 && sequenceAdd(segment.seq, 1) === this.#receiveNext;
    if (this.#state === 'synReceived' && repeatsSyn) {
      // The SYN again, for the answer was lost; or, with ACK, the end of a simultaneous open (section 3.5).
      if ((segment.flags & ACK) !== 0) this.#establish(segment);
      else this.#sendSyn();
      return;
    }
    if (!this.#isAcceptable(segment)) {
      if ((segment.flags & RST) !== 0) return;
      // A repeated FIN restarts the wait, or the peer's next one would find nobody.
      if (this.#state === 'timeWait') this.#timer.set(TIME_WAIT_MS);
      return this.#acknowledge();
    }
    if ((segment.flags & RST) !== 0) {
      // RFC 5961 section 3.2: only the exact sequence number resets, so that nobody can guess it.
      if (segment.seq === this.#receiveNext) this.#end('peer');
      else this.#challenge();
      return;
    }
    if ((segment.flags & SYN) !== 0) return this.#challenge();
    if ((segment.flags & ACK) === 0) return;
    this.#rememberTimestamp(segment);
    if (this.#state === 'synReceived') this.#establish(segment);
    else if (sequenceDistance(segment.ack, this.#nxt) > 0) return this.#acknowledge();
    else this.#processAck(segment);
    if (this.#state === 'synReceived') return;
    this.#processData(segment);
    this.#sendWhatFits();
    this.#closeWhenDone();
  }

  /** RFC 7323 section 4.3: of what arrived in order, the latest is echoed. */
  #rememberTimestamp({ seq, options: { timestamp } }: TcpSegment): void {
    const isInOrder = sequenceDistance(seq, this.#receiveNext) <= 0;
    if (this.#recentTimestamp === undefined || timestamp === undefined || !isInOrder) return;
    this.#recentTimestamp = timestamp.value;
  }

  #receiveInSynSent(segment: TcpSegment): void {
    const hasAck = (segment.flags & ACK) !== 0;
    if (hasAck && segment.ack !== this.#nxt) return;
    if ((segment.flags & RST) !== 0) {
      if (hasAck) this.#end('peer');
      return;
    }
    if ((segment.flags & SYN) === 0) return;
    this.#readSyn(segment);
    if (hasAck) return this.#establish(segment);
    this.#state = 'synReceived';
    this.#sendSyn();
  }

  #readSyn({ seq, window, options }: TcpSegment): void {
    this.#receiveNext = sequenceAdd(seq, 1);
    this.#peerMss = options.mss ?? MSS_DEFAULT;
    this.#peerScale = options.windowScale;
    this.#peerWindow = window;
    this.#recentTimestamp = options.timestamp?.value;
  }

  #establish(segment: TcpSegment): void {
    if (segment.ack !== this.#nxt) return;
    this.#state = 'established';
    this.#processAck(segment);
    if ((segment.flags & SYN) !== 0) this.#acknowledge();
    this.onConnect();
    this.#sendWhatFits();
  }

  /** Section 3.10.7.4, first check: does any of it lie in the receive window? */
  #isAcceptable({ seq, flags, payload }: TcpSegment): boolean {
    const length = payload.length + ((flags & SYN) === 0 ? 0 : 1) + ((flags & FIN) === 0 ? 0 : 1);
    const first = sequenceDistance(seq, this.#receiveNext);
    const last = first + Math.max(0, length - 1);
    return first < this.#options.windowBytes && last >= 0;
  }

  #processAck({ ack, seq, flags, window, payload, options }: TcpSegment): void {
    const scale = (flags & SYN) === 0 ? (this.#peerScale ?? 0) : 0;
    const isWindowSame = this.#peerWindow === window << scale;
    if (sequenceDistance(seq, this.#receiveNext) <= 0) this.#peerWindow = window << scale;
    const acknowledged = sequenceDistance(ack, this.#una);
    if (acknowledged > 0) return this.#advance(ack, acknowledged, options);
    const isDuplicate = acknowledged === 0 && this.#una !== this.#nxt && payload.length === 0 && isWindowSame;
    if (!isDuplicate || (flags & FIN) !== 0) return;
    this.#duplicateAcks += 1;
    if (this.#duplicateAcks !== DUPLICATE_ACKS || this.#recoverUntil !== undefined) return;
    this.#recoverUntil = this.#nxt;
    this.#retransmit();
  }

  #advance(ack: number, acknowledged: number, { timestamp }: TcpOptions): void {
    const control = this.#una === this.#options.initialSequence ? 1 : 0;
    this.#buffer = this.#buffer.subarray(Math.min(acknowledged - control, this.#buffer.length));
    this.#una = ack;
    this.#duplicateAcks = 0;
    this.#roundTrip.reset();
    if (timestamp !== undefined) this.#roundTrip.sample((this.#timestampNow() - timestamp.echo) >>> 0);
    if (this.#una === this.#nxt) this.#timer.clear();
    else this.#timer.set(this.#roundTrip.timeoutMs);
    if (this.#recoverUntil === undefined) return;
    // RFC 6582 section 3.2 step 3: a partial acknowledgment shows the next hole.
    if (sequenceDistance(this.#una, this.#recoverUntil) < 0) this.#retransmit();
    else this.#recoverUntil = undefined;
  }

  #processData({ seq, flags, payload }: TcpSegment): void {
    const hasFin = (flags & FIN) !== 0;
    if (hasFin) this.#peerFin = sequenceAdd(seq, payload.length);
    if (payload.length > 0) {
      if (sequenceDistance(seq, this.#receiveNext) > 0) this.counters.outOfOrder += 1;
      this.#reassembly.insert(seq, payload);
    }
    for (
      let data = this.#reassembly.take(this.#receiveNext);
      data !== undefined && this.#state !== 'closed';
    ) {
      this.#receiveNext = sequenceAdd(this.#receiveNext, data.length);
      this.onData(data);
      data = this.#reassembly.take(this.#receiveNext);
    }
    const ends = !this.#hasPeerEnded && this.#peerFin === this.#receiveNext;
    if (ends) this.#receiveNext = sequenceAdd(this.#receiveNext, 1);
    if (payload.length > 0 || hasFin) this.#acknowledge();
    if (!ends || this.state === 'closed') return;
    this.#hasPeerEnded = true;
    this.onEnd();
  }

  #sendWhatFits(): void {
    if (this.#state !== 'established') return;
    for (;;) {
      const sent = sequenceDistance(this.#nxt, this.#una);
      const waiting = this.#isFinSent ? 0 : this.#buffer.length - sent;
      const length = Math.min(waiting, this.#payloadMax(), this.#peerWindow - sent);
      const isLast = length === waiting;
      const hasFin = this.#isClosing && !this.#isFinSent && isLast;
      // Section 3.8.6.2.1: rather wait for a full segment than cut one to a nearly closed window.
      if (!hasFin && (length <= 0 || (!isLast && sent > 0 && length < this.#payloadMax()))) return;
      this.#isFinSent ||= hasFin;
      const from = this.#nxt;
      if (from === this.#una) this.#timer.set(this.#roundTrip.timeoutMs);
      this.#nxt = sequenceAdd(from, length + (hasFin ? 1 : 0));
      this.#sendRange(from, sent, length, hasFin);
    }
  }

  #sendRange(seq: number, at: number, length: number, hasFin: boolean): void {
    const push = at + length === this.#buffer.length && length > 0 ? PSH : 0;
    this.#send(ACK | push | (hasFin ? FIN : 0), seq, this.#buffer.subarray(at, at + length));
  }

  /** Sends the first unacknowledged segment again. */
  #retransmit(): void {
    this.counters.retransmissions += 1;
    this.#timer.set(this.#roundTrip.timeoutMs);
    if (this.#state === 'synSent' || this.#state === 'synReceived') return this.#sendSyn();
    const sent = sequenceDistance(this.#nxt, this.#una) - (this.#isFinSent ? 1 : 0);
    const length = Math.min(sent, this.#payloadMax());
    this.#sendRange(this.#una, 0, length, this.#isFinSent && length === this.#buffer.length);
  }

  #retransmitLate(): void {
    if (this.#state === 'timeWait') return this.#release();
    const isHandshake = this.#state === 'synSent' || this.#state === 'synReceived';
    if (this.#roundTrip.backOff >= (isHandshake ? HANDSHAKE_RETRIES_MAX : RETRIES_MAX))
      return this.#end('timeout');
    this.counters.timeouts += 1;
    this.#roundTrip.double();
    this.#recoverUntil = this.#nxt;
    this.#duplicateAcks = 0;
    this.#retransmit();
  }

  #sendSyn(): void {
    const { mss, windowBytes, transmit, initialSequence } = this.#options;
    const isAnswer = this.#state === 'synReceived';
    const timestamp = { value: this.#timestampNow(), echo: this.#recentTimestamp ?? 0 };
    // RFC 7323: an answer carries only options that were offered.
    const options: TcpOptions = {
      mss,
      ...(!isAnswer || this.#peerScale !== undefined ? { windowScale: WINDOW_SCALE } : {}),
      ...(!isAnswer || this.#recentTimestamp !== undefined ? { timestamp } : {}),
    };
    this.#timer.set(this.#roundTrip.timeoutMs);
    transmit({
      seq: initialSequence,
      ack: isAnswer ? this.#receiveNext : 0,
      flags: SYN | (isAnswer ? ACK : 0),
      window: Math.min(0xffff, windowBytes),
      options,
      payload: NOTHING,
    });
  }

  #send(flags: number, seq: number, payload: Uint8Array): void {
    // A callback may have aborted the connection in the middle of a segment.
    if (this.#state === 'closed') return;
    const timestamp = { value: this.#timestampNow(), echo: this.#recentTimestamp ?? 0 };
    const { transmit, windowBytes } = this.#options;
    transmit({
      seq,
      ack: this.#receiveNext,
      flags,
      window: Math.min(0xffff, windowBytes >>> (this.#peerScale === undefined ? 0 : WINDOW_SCALE)),
      options: this.#recentTimestamp === undefined ? {} : { timestamp },
      payload,
    });
  }

  #acknowledge(): void {
    this.#send(ACK, this.#nxt, NOTHING);
  }

  /** RFC 5961: a peer that really restarted answers this with an RST that fits. */
  #challenge(): void {
    this.counters.challenges += 1;
    this.#acknowledge();
  }

  #payloadMax(): number {
    const mss = Math.min(this.#options.mss, this.#peerMss);
    return this.#recentTimestamp === undefined ? mss : mss - TIMESTAMP_BYTES;
  }

  #timestampNow(): number {
    return (this.#options.initialSequence + Math.floor(this.#options.clock.nowMs())) >>> 0;
  }

  #closeWhenDone(): void {
    const isFinAcknowledged = this.#isFinSent && this.#una === this.#nxt;
    if (this.#state !== 'established' || !isFinAcknowledged || !this.#hasPeerEnded) return;
    this.#state = 'timeWait';
    this.#timer.set(TIME_WAIT_MS);
    this.onClose();
  }

  #end(reason: ResetReason): void {
    const isOver = this.#state === 'timeWait';
    // In LAST-ACK, where only the last acknowledgment was lost, an RST is no error (section 3.10.7.4).
    const isLastAck = this.#hasPeerEnded && this.#isFinSent && sequenceAdd(this.#una, 1) === this.#nxt;
    this.#release();
    if (isOver) return;
    if (isLastAck && reason === 'peer') this.onClose();
    else this.onReset(reason);
  }

  #release(): void {
    this.#state = 'closed';
    this.#timer.clear();
    this.#options.release();
  }
}
