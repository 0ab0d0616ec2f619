import {
  destinationAddressOf,
  destinationPortOf,
  familyOf,
  flowKey,
  FlowTable,
  protocolOf,
  sourceAddressOf,
  sourcePortOf,
  type FlowKey,
  type Random,
} from '@ngisec/core';
import { formatAddress, tcp } from '@ngisec/wire';

/** Why a record was made: IPFIX information element 136. */
export const flowEndReasons = { idleTimeout: 1, activeTimeout: 2, endOfFlow: 3, forcedEnd: 4 } as const;

/** IPFIX information element 61: as seen from the observation point. */
export const flowDirections = { ingress: 0, egress: 1 } as const;

/**
 * What one flow sent in one direction, by the names of IANA's IPFIX registry (RFC 7012); addresses are text, and
 * `ipVersion` says of which family.
 */
export interface FlowRecord {
  readonly ipVersion: number;
  readonly sourceAddress: string;
  readonly destinationAddress: string;
  readonly protocolIdentifier: number;
  /** An ICMP echo's identifier stands for both ports; 0 where the protocol has none. */
  readonly sourceTransportPort: number;
  readonly destinationTransportPort: number;
  readonly packetDeltaCount: number;
  /** IP packets with their headers, as they passed: the shim included. */
  readonly octetDeltaCount: number;
  /** Union of the TCP flags of all packets; 0 for others. */
  readonly tcpControlBits: number;
  /** First and last packet, in milliseconds on the node's clock. */
  readonly flowStartSysUpTime: number;
  readonly flowEndSysUpTime: number;
  readonly flowEndReason: number;
  readonly flowDirection: number;
}

export interface FlowTimeouts {
  /** Without a packet. */
  readonly idleMs: number;
  /** From a record's first packet, however busy the flow. */
  readonly activeMs: number;
  /** Without a packet after a FIN or RST: what is left of the closing handshake joins the record. */
  readonly closingMs: number;
}

const CLOSING = tcp.FIN | tcp.RST;

/** Counts by 5-tuple for one direction, in columns by entry of a flow table, and the records they become. */
export class FlowAccounts {
  readonly #table: FlowTable;
  readonly #packets: Float64Array;
  readonly #octets: Float64Array;
  readonly #flags: Uint8Array;
  readonly #startMs: Float64Array;
  readonly #endMs: Float64Array;
  readonly #direction: number;
  readonly #timeouts: FlowTimeouts;
  readonly #take: (record: FlowRecord) => void;
  readonly #key = flowKey();
  #sweepAt = 0;

  constructor(
    random: Random,
    capacity: number,
    direction: number,
    timeouts: FlowTimeouts,
    take: (record: FlowRecord) => void,
  ) {
    this.#table = new FlowTable(random, capacity);
    this.#packets = new Float64Array(capacity);
    this.#octets = new Float64Array(capacity);
    this.#flags = new Uint8Array(capacity);
    this.#startMs = new Float64Array(capacity);
    this.#endMs = new Float64Array(capacity);
    this.#direction = direction;
    this.#timeouts = timeouts;
    this.#take = take;
  }

  get size(): number {
    return this.#table.size;
  }

  /** Counts a packet of `octets`; false where the table has no room for its flow. */
  add(key: FlowKey, octets: number, flags: number, nowMs: number): boolean {
    let entry = this.#table.find(key);
    if (entry >= 0) {
      const isReopened = (this.#flags[entry]! & CLOSING) !== 0 && (flags & (tcp.SYN | tcp.ACK)) === tcp.SYN;
      const reason = isReopened ? flowEndReasons.endOfFlow : this.#due(entry, nowMs);
      if (reason !== 0) {
        this.#end(entry, reason);
        entry = -1;
      }
    }
    if (entry < 0) {
      entry = this.#table.insert(key);
      if (entry < 0) return false;
      this.#flags[entry] = 0;
      this.#startMs[entry] = nowMs;
    }
    this.#packets[entry]! += 1;
    this.#octets[entry]! += octets;
    this.#flags[entry]! |= flags;
    this.#endMs[entry] = nowMs;
    return true;
  }

  /** Ends what is due among the next `count` entries. */
  sweep(nowMs: number, count: number): void {
    const capacity = this.#packets.length;
    for (let looked = 0; looked < Math.min(count, capacity); looked += 1) {
      const entry = this.#sweepAt;
      this.#sweepAt = entry + 1 === capacity ? 0 : entry + 1;
      if (this.#packets[entry] === 0) continue;
      const reason = this.#due(entry, nowMs);
      if (reason !== 0) this.#end(entry, reason);
    }
  }

  /** Ends every flow. */
  flush(): void {
    for (let entry = 0; entry < this.#packets.length; entry += 1) {
      if (this.#packets[entry] !== 0) this.#end(entry, flowEndReasons.forcedEnd);
    }
  }

  /** Why the entry's record is to be made now; 0 where it is not. */
  #due(entry: number, nowMs: number): number {
    const { idleMs, activeMs, closingMs } = this.#timeouts;
    const quietMs = nowMs - this.#endMs[entry]!;
    if ((this.#flags[entry]! & CLOSING) !== 0 && quietMs >= closingMs) return flowEndReasons.endOfFlow;
    if (quietMs >= idleMs) return flowEndReasons.idleTimeout;
    return nowMs - this.#startMs[entry]! >= activeMs ? flowEndReasons.activeTimeout : 0;
  }

  #end(entry: number, flowEndReason: number): void {
    const key = this.#key;
    this.#table.readKey(entry, key);
    const record: FlowRecord = {
      ipVersion: familyOf(key),
      sourceAddress: formatAddress(sourceAddressOf(key)),
      destinationAddress: formatAddress(destinationAddressOf(key)),
      protocolIdentifier: protocolOf(key),
      sourceTransportPort: sourcePortOf(key),
      destinationTransportPort: destinationPortOf(key),
      packetDeltaCount: this.#packets[entry]!,
      octetDeltaCount: this.#octets[entry]!,
      tcpControlBits: this.#flags[entry]!,
      flowStartSysUpTime: Math.round(this.#startMs[entry]!),
      flowEndSysUpTime: Math.round(this.#endMs[entry]!),
      flowEndReason,
      flowDirection: this.#direction,
    };
    this.#table.remove(entry);
    this.#packets[entry] = 0;
    this.#octets[entry] = 0;
    this.#take(record);
  }
}
