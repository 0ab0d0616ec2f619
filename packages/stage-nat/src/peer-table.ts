import { flowKey, FlowTable, familyOf, protocolOf, setPorts, type FlowKey, type Random } from '@ngisec/core';
import { ip } from '@ngisec/wire';

/** As long as a gateway keeps a binding: RFC 5382 REQ-5, RFC 4787 REQ-5, RFC 5508 REQ-2. */
const TCP_IDLE_MS = 7_440_000;
const UDP_IDLE_MS = 300_000;
const ECHO_IDLE_MS = 60_000;

const FREE = -1;
const NONE = -1;

/** Why nothing was learned. */
export const PEER_TABLE_FULL = -1;
export const STACK_TUPLE_IN_USE = -2;

/**
 * What an end host knows of its network-to-network flows: three tuples a flow (the draft's "3-tuple pair", #82). All
 * are written as the host sends: its own end as source.
 *
 *     stack      what its stack knows of the flow; never changes
 *     outer      what packets carry on the wire here; changes where a NAT on the way remaps (#83)
 *     emitted    the ports that the peer itself uses (#81); with the SA that tells the peer apart, its identity: behind
 *                one address several peers may use the same ports (#117)
 */
export class PeerTable {
  readonly #stack: FlowTable;
  readonly #outer: FlowTable;
  readonly #identity: FlowTable;
  readonly #outerOf: Int32Array;
  readonly #stackOf: Int32Array;
  readonly #identityOf: Int32Array;
  readonly #flowOf: Int32Array;
  /** The peer's source and destination port, as it emits them. */
  readonly #emitted: Uint32Array;
  readonly #isRemapped: Uint8Array;
  readonly #lastSeenMs: Float64Array;
  readonly #scratch = flowKey();
  #sweepAt = 0;

  constructor(random: Random, capacity: number) {
    this.#stack = new FlowTable(random, capacity);
    this.#outer = new FlowTable(random, capacity);
    this.#identity = new FlowTable(random, capacity);
    this.#outerOf = new Int32Array(capacity);
    this.#stackOf = new Int32Array(capacity);
    this.#identityOf = new Int32Array(capacity).fill(NONE);
    this.#flowOf = new Int32Array(capacity);
    this.#emitted = new Uint32Array(capacity);
    this.#isRemapped = new Uint8Array(capacity);
    this.#lastSeenMs = new Float64Array(capacity).fill(FREE);
  }

  get size(): number {
    return this.#stack.size;
  }

  /** The flow whose packets carry that outer tuple; -1 for none. */
  findOuter(outer: FlowKey): number {
    const entry = this.#outer.find(outer);
    return entry < 0 ? -1 : this.#stackOf[entry]!;
  }

  findStack(stack: FlowKey): number {
    return this.#stack.find(stack);
  }

  emittedSource(flow: number): number {
    return this.#emitted[flow]! >>> 16;
  }

  emittedDestination(flow: number): number {
    return this.#emitted[flow]! & 0xffff;
  }

  /** True where the outer tuple is no longer the stack's. */
  isRemapped(flow: number): boolean {
    return this.#isRemapped[flow] === 1;
  }

  readStack(flow: number, key: FlowKey): void {
    this.#stack.readKey(flow, key);
  }

  /** False where the outer tuple was given to another flow, and it is not known yet which one leads to this peer. */
  hasOuter(flow: number): boolean {
    return this.#outerOf[flow] !== NONE;
  }

  readOuter(flow: number, key: FlowKey): void {
    this.#outer.readKey(this.#outerOf[flow]!, key);
  }

  touch(flow: number, nowMs: number): void {
    this.#lastSeenMs[flow] = nowMs;
  }

  /**
   * Takes over what an authenticated control packet taught: its outer tuple, the ports its sender emitted and the
   * channel that tells the sender apart (-1: not known yet). A known sender with the same ports on another outer
   * tuple was remapped, unless the packet opens a connection (`isFresh`). Returns the flow, or why not.
   */
  learn(
    outer: FlowKey,
    source: number,
    destination: number,
    channel: number,
    isFresh: boolean,
    nowMs: number,
  ): number {
    const holder = this.findOuter(outer);
    let flow = isFresh ? -1 : this.#findIdentity(outer, source, destination, channel);
    if (flow < 0 && holder >= 0 && this.#isRemapped[holder] === 0) flow = holder;
    if (flow < 0 || flow !== holder) {
      // A NAT gave the tuple to this flow: it no longer leads to the one that had it.
      if (holder >= 0) this.#takeOuter(holder);
      flow = flow < 0 ? this.#insert(outer) : this.#moveOuter(flow, outer);
      if (flow < 0) return flow;
    }
    const emitted = ((source << 16) | destination) >>> 0;
    if (this.#emitted[flow] !== emitted) this.#forgetIdentity(flow);
    this.#emitted[flow] = emitted;
    if (channel >= 0) this.identify(flow, channel);
    this.#lastSeenMs[flow] = nowMs;
    return flow;
  }

  /** Notes which channel a flow's peer proved itself by. */
  identify(flow: number, channel: number): void {
    this.#stack.readKey(flow, this.#scratch);
    const emitted = this.#emitted[flow]!;
    this.#writeIdentity(this.#scratch, emitted >>> 16, emitted & 0xffff, channel);
    let identity = this.#identity.find(this.#scratch);
    if (identity >= 0 && this.#flowOf[identity] === flow) return;
    // The newest flow of that peer and those ports is the one that lives.
    if (identity >= 0) this.#forgetIdentity(this.#flowOf[identity]!);
    this.#forgetIdentity(flow);
    identity = this.#identity.insert(this.#scratch);
    this.#identityOf[flow] = identity;
    this.#flowOf[identity] = flow;
  }

  /** Removes idle flows among the next `count` entries; returns how many. */
  sweep(nowMs: number, count: number): number {
    let removed = 0;
    for (let looked = 0; looked < count; looked += 1) {
      const flow = this.#sweepAt;
      this.#sweepAt = flow + 1 === this.#lastSeenMs.length ? 0 : flow + 1;
      const seenMs = this.#lastSeenMs[flow]!;
      if (seenMs === FREE) continue;
      this.#stack.readKey(flow, this.#scratch);
      if (nowMs - seenMs <= idleLimitMs(protocolOf(this.#scratch))) continue;
      this.#forgetIdentity(flow);
      this.#takeOuter(flow);
      this.#stack.remove(flow);
      this.#lastSeenMs[flow] = FREE;
      removed += 1;
    }
    return removed;
  }

  #findIdentity(like: FlowKey, source: number, destination: number, channel: number): number {
    if (channel < 0) return -1;
    this.#writeIdentity(like, source, destination, channel);
    const identity = this.#identity.find(this.#scratch);
    return identity < 0 ? -1 : this.#flowOf[identity]!;
  }

  #insert(outer: FlowKey): number {
    if (this.#stack.find(outer) >= 0) return STACK_TUPLE_IN_USE;
    const flow = this.#stack.insert(outer);
    if (flow < 0) return PEER_TABLE_FULL;
    this.#setOuter(flow, outer);
    this.#isRemapped[flow] = 0;
    this.#identityOf[flow] = NONE;
    return flow;
  }

  #moveOuter(flow: number, outer: FlowKey): number {
    this.#takeOuter(flow);
    this.#setOuter(flow, outer);
    this.#isRemapped[flow] = this.#stack.find(outer) === flow ? 0 : 1;
    return flow;
  }

  #takeOuter(flow: number): void {
    if (this.#outerOf[flow] !== NONE) this.#outer.remove(this.#outerOf[flow]!);
    this.#outerOf[flow] = NONE;
    this.#isRemapped[flow] = 1;
  }

  #setOuter(flow: number, outer: FlowKey): void {
    const entry = this.#outer.insert(outer);
    this.#outerOf[flow] = entry;
    this.#stackOf[entry] = flow;
  }

  #forgetIdentity(flow: number): void {
    if (this.#identityOf[flow] !== NONE) this.#identity.remove(this.#identityOf[flow]!);
    this.#identityOf[flow] = NONE;
  }

  /** `scratch` becomes (channel, emitted ports, family, protocol). */
  #writeIdentity(like: FlowKey, source: number, destination: number, channel: number): void {
    const family = familyOf(like);
    const protocol = protocolOf(like);
    this.#scratch.fill(0);
    this.#scratch[0] = channel;
    setPorts(this.#scratch, source, destination);
    this.#scratch[this.#scratch.length - 1] = (family << 8) | protocol;
  }
}

export const isEcho = (protocol: number): boolean => protocol === ip.ICMP || protocol === ip.ICMPV6;

function idleLimitMs(protocol: number): number {
  if (protocol === ip.TCP) return TCP_IDLE_MS;
  return protocol === ip.UDP ? UDP_IDLE_MS : ECHO_IDLE_MS;
}
