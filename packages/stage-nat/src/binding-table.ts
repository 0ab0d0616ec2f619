import {
  destinationPortOf,
  flowKey,
  FlowTable,
  familyOf,
  limits,
  protocolOf,
  reverseFlowKey,
  setDestination,
  setPorts,
  setSource,
  sourcePortOf,
  type FlowKey,
  type Random,
} from '@ngisec/core';
import { checksum, ip, tcp } from '@ngisec/wire';

export interface BindingLimits {
  readonly capacity: number;
  readonly portMin: number;
  readonly portMax: number;
  /** Ports tried before a flow is refused. */
  readonly portTries: number;
  readonly udpIdleMs: number;
  readonly icmpIdleMs: number;
  readonly tcpEstablishedIdleMs: number;
  readonly tcpTransitoryIdleMs: number;
  /** How long an outer tuple that was replaced is still understood, for packets under way; 0: not at all. */
  readonly graceMs: number;
  /** First pause before a mapping update is repeated, doubling up to the longest. */
  readonly updatePauseMs: number;
  readonly updatePauseMaxMs: number;
}

/** RFC 4787 REQ-5, RFC 5508 REQ-2, RFC 5382 REQ-5. */
export const bindingLimits: BindingLimits = {
  capacity: limits.flows,
  portMin: 1024,
  portMax: 65535,
  portTries: 1024,
  udpIdleMs: 300_000,
  icmpIdleMs: 60_000,
  tcpEstablishedIdleMs: 7_440_000,
  tcpTransitoryIdleMs: 240_000,
  graceMs: 10_000,
  updatePauseMs: 100,
  updatePauseMaxMs: 30_000,
};

const FREE = -1;
const TCP_TRANSITORY = 0;
const TCP_ESTABLISHED = 1;
const FIN_OUT = 2;
const FIN_IN = 4;
const FIN_BOTH = FIN_OUT | FIN_IN;

/** `updateAtMs` of a binding the peer gateway knows of. */
const NO_UPDATE = Infinity;
const NO_GRACE = -1;

/** Why no binding came about. */
export const TABLE_FULL = -1;
export const PORTS_EXHAUSTED = -2;
export const OUTER_IN_USE = -3;

/**
 * The binding table: one binding a flow, two tuples, one lifetime, seen by NAT and by reverse NAT.
 *
 *     inner   local host (private)  -> remote host (private)      as the LAN sees packets that leave
 *     outer   peer gateway (public) -> this gateway (public)      as the WAN sees packets that arrive
 *
 * A binding's number is its entry in the inner table. VPN flows are keyed by the whole inner tuple: two inner flows
 * that would share one outer tuple get different outer ports (#54).
 */
export class BindingTable {
  readonly limits: BindingLimits;
  /** Index of the peer gateway, by binding. */
  readonly peer: Int32Array;
  /** 1 where TLS protects the flow's data: packets without a shim may pass (draft section 7). */
  readonly isTls: Uint8Array;
  /** 1 once a packet of such a flow was chosen to leave sealed, with its duplicate. */
  readonly hasLeft: Uint8Array;
  /** Of the last `findOuter` that found: the tuple is one that was replaced, in its time of grace. */
  foundReplaced = false;

  readonly #random: Random;
  readonly #inner: FlowTable;
  readonly #outer: FlowTable;
  readonly #outerOf: Int32Array;
  readonly #innerOf: Int32Array;
  /** Entry of the outer tuple that was replaced, -1 for none, and until when it is understood. */
  readonly #graceOf: Int32Array;
  readonly #graceUntilMs: Float64Array;
  /** When the peer gateway shall be told of the binding, and the pause after that; infinite where it knows. */
  readonly #updateAtMs: Float64Array;
  readonly #updatePauseMs: Float64Array;
  readonly #lastSeenMs: Float64Array;
  readonly #tcpState: Uint8Array;
  /** 1 where this gateway chose the outer tuple, 0 where it learned it. */
  readonly #isOwn: Uint8Array;
  /** What leaving does to the IPv4 header checksum and to the transport checksum. */
  readonly #ipAdjustment: Uint16Array;
  readonly #transportAdjustment: Uint16Array;
  readonly #scratch = flowKey();
  readonly #reversed = flowKey();
  #sweepAt = 0;

  constructor(random: Random, options: Partial<BindingLimits> = {}) {
    this.limits = { ...bindingLimits, ...options };
    const { capacity } = this.limits;
    this.#random = random;
    this.#inner = new FlowTable(random, capacity);
    // Twice as many: a binding may have an outer tuple of before.
    this.#outer = new FlowTable(random, 2 * capacity);
    this.peer = new Int32Array(capacity);
    this.isTls = new Uint8Array(capacity);
    this.hasLeft = new Uint8Array(capacity);
    this.#outerOf = new Int32Array(capacity);
    this.#innerOf = new Int32Array(2 * capacity);
    this.#graceOf = new Int32Array(capacity);
    this.#graceUntilMs = new Float64Array(capacity);
    this.#updateAtMs = new Float64Array(capacity);
    this.#updatePauseMs = new Float64Array(capacity);
    this.#lastSeenMs = new Float64Array(capacity).fill(FREE);
    this.#tcpState = new Uint8Array(capacity);
    this.#isOwn = new Uint8Array(capacity);
    this.#ipAdjustment = new Uint16Array(capacity);
    this.#transportAdjustment = new Uint16Array(capacity);
  }

  get size(): number {
    return this.#inner.size;
  }

  /** The binding of an inner tuple as the LAN sends it; -1 for none. */
  findInner(inner: FlowKey): number {
    return this.#inner.find(inner);
  }

  /** The binding of an outer tuple as the WAN delivers it; -1 for none. */
  findOuter(outer: FlowKey): number {
    const entry = this.#outer.find(outer);
    if (entry < 0) return -1;
    const binding = this.#innerOf[entry]!;
    this.foundReplaced = entry !== this.#outerOf[binding];
    return binding;
  }

  /**
   * A new binding for a flow that starts here. The source port, or the one wished for, stays where no other flow to
   * that peer has it (RFC 4787 REQ-3), else one is drawn.
   */
  create(
    inner: FlowKey,
    peer: number,
    ownAddress: Uint8Array,
    peerAddress: Uint8Array,
    nowMs: number,
    wishedPort = sourcePortOf(inner),
  ): number {
    const outer = this.#scratch;
    const family = familyOf(inner);
    outer.set(inner);
    setSource(outer, peerAddress, 0, family);
    setDestination(outer, ownAddress, 0, family);
    const isEcho = protocolOf(inner) === ip.ICMP || protocolOf(inner) === ip.ICMPV6;
    const remotePort = destinationPortOf(inner);
    const { portMin, portMax, portTries } = this.limits;
    const range = portMax - portMin + 1;
    let port = wishedPort;
    let drawn = -1;
    for (let tries = 0; tries < portTries; tries += 1) {
      setPorts(outer, isEcho ? port : remotePort, port);
      if (this.#outer.find(outer) < 0) return this.#insert(inner, outer, peer, true, nowMs);
      drawn = drawn < 0 ? this.#random.integer(range) : (drawn + 1) % range;
      port = portMin + drawn;
    }
    return PORTS_EXHAUSTED;
  }

  /**
   * Takes over what an authenticated control packet taught: `outer` as it arrived, `inner` from the duplicate, turned
   * to the LAN's view. The newest authentic word stands, except against another flow of this gateway's own.
   */
  learn(inner: FlowKey, outer: FlowKey, peer: number, nowMs: number): number {
    const holder = this.findOuter(outer);
    const known = this.#inner.find(inner);
    if (known >= 0 && known === holder && !this.foundReplaced) {
      this.#lastSeenMs[known] = nowMs;
      return known;
    }
    if (holder >= 0) {
      if (this.#isOwn[holder] === 1 && !this.foundReplaced) return OUTER_IN_USE;
      if (this.foundReplaced) this.#endGrace(holder);
      else this.remove(holder);
    }
    if (known < 0) return this.#insert(inner, outer, peer, false, nowMs);
    this.#replaceOuter(known, outer, peer, nowMs);
    return known;
  }

  /** Gives a live binding another outer tuple; the one before stays understood for a while. */
  #replaceOuter(binding: number, outer: FlowKey, peer: number, nowMs: number): void {
    this.#endGrace(binding);
    this.#graceOf[binding] = this.#outerOf[binding]!;
    this.#graceUntilMs[binding] = nowMs + this.limits.graceMs;
    if (this.limits.graceMs === 0) this.#endGrace(binding);
    const outerEntry = this.#outer.insert(outer);
    this.#outerOf[binding] = outerEntry;
    this.#innerOf[outerEntry] = binding;
    this.peer[binding] = peer;
    this.#isOwn[binding] = 0;
    this.#updateAtMs[binding] = NO_UPDATE;
    this.#lastSeenMs[binding] = nowMs;
    this.#computeAdjustments(binding);
  }

  #endGrace(binding: number): void {
    const entry = this.#graceOf[binding]!;
    if (entry === NO_GRACE) return;
    this.#outer.remove(entry);
    this.#graceOf[binding] = NO_GRACE;
  }

  #insert(inner: FlowKey, outer: FlowKey, peer: number, isOwn: boolean, nowMs: number): number {
    const binding = this.#inner.insert(inner);
    if (binding < 0) return TABLE_FULL;
    const outerEntry = this.#outer.insert(outer);
    this.#outerOf[binding] = outerEntry;
    this.#innerOf[outerEntry] = binding;
    this.peer[binding] = peer;
    this.#isOwn[binding] = isOwn ? 1 : 0;
    this.isTls[binding] = 0;
    this.hasLeft[binding] = 0;
    this.#tcpState[binding] = TCP_TRANSITORY;
    this.#graceOf[binding] = NO_GRACE;
    this.#updateAtMs[binding] = NO_UPDATE;
    this.#lastSeenMs[binding] = nowMs;
    this.#computeAdjustments(binding);
    return binding;
  }

  /** What leaving does to the checksums: from the inner tuple to the outer one. */
  #computeAdjustments(binding: number): void {
    this.#inner.readKey(binding, this.#scratch);
    this.#outer.readKey(this.#outerOf[binding]!, this.#reversed);
    this.#ipAdjustment[binding] = ipAdjustment(this.#scratch, this.#reversed);
    this.#transportAdjustment[binding] = transportAdjustment(this.#scratch, this.#reversed);
  }

  /** Asks that the peer gateway be told of the binding, ahead of the next packet that leaves. */
  requestUpdate(binding: number, nowMs: number): void {
    this.#updateAtMs[binding] = nowMs;
    this.#updatePauseMs[binding] = 0;
  }

  /** True where a mapping update shall go out now; the next is then due after a longer pause, until confirmed. */
  takeUpdate(binding: number, nowMs: number): boolean {
    if (nowMs < this.#updateAtMs[binding]!) return false;
    const { updatePauseMs, updatePauseMaxMs } = this.limits;
    const pauseMs = Math.min(Math.max(updatePauseMs, 2 * this.#updatePauseMs[binding]!), updatePauseMaxMs);
    this.#updatePauseMs[binding] = pauseMs;
    this.#updateAtMs[binding] = nowMs + pauseMs;
    return true;
  }

  /** The peer gateway knows of the binding. */
  confirm(binding: number): void {
    this.#updateAtMs[binding] = NO_UPDATE;
  }

  /** Forgets everything, as a restart does. */
  clear(): void {
    for (let binding = 0; binding < this.limits.capacity; binding += 1) {
      if (this.#lastSeenMs[binding] !== FREE) this.remove(binding);
    }
  }

  remove(binding: number): void {
    this.#endGrace(binding);
    this.#outer.remove(this.#outerOf[binding]!);
    this.#inner.remove(binding);
    this.#lastSeenMs[binding] = FREE;
  }

  /** The outer source and destination as a packet that leaves shall carry them. */
  readOuter(binding: number, key: FlowKey): void {
    this.#outer.readKey(this.#outerOf[binding]!, this.#scratch);
    reverseFlowKey(this.#scratch, key);
  }

  /** The inner source and destination as a packet that arrives shall carry them. */
  readInner(binding: number, key: FlowKey): void {
    this.#inner.readKey(binding, this.#scratch);
    reverseFlowKey(this.#scratch, key);
  }

  ipAdjustment(binding: number, leaving: boolean): number {
    const value = this.#ipAdjustment[binding]!;
    return leaving ? value : checksum.reverseAdjustment(value);
  }

  transportAdjustment(binding: number, leaving: boolean): number {
    const value = this.#transportAdjustment[binding]!;
    return leaving ? value : checksum.reverseAdjustment(value);
  }

  /**
   * Notes a packet of the binding. Only what leaves refreshes it (RFC 4787 REQ-6), but for TCP either direction; the
   * readable flags move TCP between transitory and established (RFC 7857 section 2). A RST shortens the life of an
   * idle binding, it does not end it: nobody authenticated it here.
   */
  note(binding: number, leaving: boolean, protocol: number, tcpFlags: number, nowMs: number): void {
    if (protocol !== ip.TCP) {
      if (leaving) this.#lastSeenMs[binding] = nowMs;
      return;
    }
    this.#lastSeenMs[binding] = nowMs;
    const state = this.#tcpState[binding]!;
    if ((tcpFlags & tcp.SYN) !== 0) this.#tcpState[binding] = TCP_TRANSITORY;
    else if ((tcpFlags & tcp.RST) !== 0) this.#tcpState[binding] = state & ~TCP_ESTABLISHED;
    else if ((tcpFlags & tcp.FIN) !== 0) this.#tcpState[binding] = state | (leaving ? FIN_OUT : FIN_IN);
    else this.#tcpState[binding] = state | TCP_ESTABLISHED;
  }

  idleLimitMs(binding: number, protocol: number): number {
    if (protocol === ip.UDP) return this.limits.udpIdleMs;
    if (protocol !== ip.TCP) return this.limits.icmpIdleMs;
    const state = this.#tcpState[binding]!;
    const isEstablished = (state & TCP_ESTABLISHED) !== 0 && (state & FIN_BOTH) !== FIN_BOTH;
    return isEstablished ? this.limits.tcpEstablishedIdleMs : this.limits.tcpTransitoryIdleMs;
  }

  /** Removes idle bindings among the next `count` entries; returns how many went. */
  sweep(nowMs: number, count: number): number {
    let removed = 0;
    for (let looked = 0; looked < count; looked += 1) {
      const binding = this.#sweepAt;
      this.#sweepAt = binding + 1 === this.limits.capacity ? 0 : binding + 1;
      const seenMs = this.#lastSeenMs[binding]!;
      if (seenMs === FREE) continue;
      this.#inner.readKey(binding, this.#scratch);
      if (nowMs > this.#graceUntilMs[binding]!) this.#endGrace(binding);
      if (nowMs - seenMs <= this.idleLimitMs(binding, protocolOf(this.#scratch))) continue;
      this.remove(binding);
      removed += 1;
    }
    return removed;
  }
}

/** What turning the tuple `from` into the reverse of `arriving` does to an IPv4 header checksum. */
export const ipAdjustment = (from: FlowKey, arriving: FlowKey): number =>
  checksum.adjustment(addressSum(from), addressSum(arriving));

/** The same for the transport checksum. The sums do not depend on the order of the two ends. */
export function transportAdjustment(from: FlowKey, arriving: FlowKey): number {
  // ICMP's checksum has no pseudo-header; an echo's identifier, here both ports, is covered once (RFC 792).
  const covered = protocolOf(from) === ip.ICMP ? 0 : 1;
  return checksum.adjustment(
    covered * addressSum(from) + portSum(from),
    covered * addressSum(arriving) + portSum(arriving),
  );
}

function addressSum(key: FlowKey): number {
  let total = 0;
  for (let word = 0; word < 8; word += 1) total += (key[word]! >>> 16) + (key[word]! & 0xffff);
  return total;
}

function portSum(key: FlowKey): number {
  const isEcho = protocolOf(key) === ip.ICMP || protocolOf(key) === ip.ICMPV6;
  return sourcePortOf(key) + (isEcho ? 0 : destinationPortOf(key));
}
