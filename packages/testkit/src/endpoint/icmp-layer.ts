import type { Random, VirtualClock } from '@ngisec/core';
import { formatAddress, icmp } from '@ngisec/wire';
import { toAddress, type Address, type IpPacket } from '../ip-packet.ts';
import { buildEcho } from '../packet-builders.ts';
import type { Stack } from './stack.ts';

export interface EchoReply {
  readonly from: string;
  readonly sequence: number;
  readonly payload: Uint8Array;
  readonly roundTripMs: number;
}

/** One `ping`; `replies` fills as virtual time passes. */
export interface PingRun {
  readonly identifier: number;
  readonly replies: readonly EchoReply[];
}

export interface IcmpMessage {
  readonly from: string;
  readonly type: number;
  readonly code: number;
  /** The whole message, header included. */
  readonly octets: Uint8Array;
}

interface Run extends PingRun {
  readonly replies: EchoReply[];
  readonly sentMs: number[];
}

const INTERVAL_MS = 1000;

/** The ICMP of a stack: it answers echo requests, pings, and hands errors to `onMessage`. */
export class IcmpLayer {
  /** Any message but echo requests and replies. */
  onMessage: (message: IcmpMessage) => void = () => undefined;
  readonly #stack: Stack;
  readonly #clock: VirtualClock;
  readonly #random: Random;
  readonly #runs = new Map<number, Run>();

  constructor(stack: Stack, clock: VirtualClock, random: Random) {
    this.#stack = stack;
    this.#clock = clock;
    this.#random = random;
  }

  /** Sends `count` echo requests, one now and one each second. */
  ping(address: Address, count = 1, payload: Uint8Array = new Uint8Array(56)): PingRun {
    const destination = toAddress(address);
    const run: Run = { identifier: this.#freeIdentifier(), replies: [], sentMs: [] };
    this.#runs.set(run.identifier, run);
    for (let sequence = 0; sequence < count; sequence += 1) {
      this.#clock.schedule(sequence * INTERVAL_MS, () => {
        run.sentMs[sequence] = this.#clock.nowMs();
        const header = this.#stack.header(this.#stack.addressFor(destination), destination);
        this.#stack.emit(buildEcho({ ...header, identifier: run.identifier, sequence, payload }));
      });
    }
    return run;
  }

  receive(octets: Uint8Array, packet: IpPacket): void {
    const { transport, payload, end, source, destination, family } = packet;
    const [type, code] = [icmp.type(octets, transport), octets[transport + 1]!];
    const from = formatAddress(source);
    if (!icmp.isEcho(octets, transport, family)) {
      this.#stack.accept('icmp');
      return this.onMessage({ from, type, code, octets: octets.slice(transport, end) });
    }
    if (code !== 0) return this.#stack.reject('badIcmpCode');
    const [identifier, sequence] = [icmp.identifier(octets, transport), icmp.sequence(octets, transport)];
    const data = octets.slice(payload, end);
    if (type === icmp.V4_ECHO_REQUEST || type === icmp.V6_ECHO_REQUEST) {
      this.#stack.accept('icmp');
      const header = this.#stack.header(destination, source);
      return this.#stack.emit(buildEcho({ ...header, reply: true, identifier, sequence, payload: data }));
    }
    const run = this.#runs.get(identifier);
    const sentMs = run?.sentMs[sequence];
    if (run === undefined || sentMs === undefined) return this.#stack.reject('noSocket');
    this.#stack.accept('icmp');
    run.replies.push({ from, sequence, payload: data, roundTripMs: this.#clock.nowMs() - sentMs });
  }

  #freeIdentifier(): number {
    for (;;) {
      const identifier = this.#random.integer(0x1_0000);
      if (!this.#runs.has(identifier)) return identifier;
    }
  }
}
