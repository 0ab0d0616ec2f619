import {
  destinationPortOf,
  flowKey,
  reverseFlowKey,
  setDestination,
  setPorts,
  setSource,
  type FlowKey,
} from '@ngisec/core';
import { ip } from '@ngisec/wire';
import type { BindingTable } from '../src/binding-table.ts';

export const OWN = Uint8Array.of(198, 51, 100, 2);
export const PEERS = [Uint8Array.of(203, 0, 113, 2), Uint8Array.of(203, 0, 113, 3)] as const;
const host = (last: number): Uint8Array => Uint8Array.of(10, 1, 0, last);
const server = (last: number): Uint8Array => Uint8Array.of(10, 2, 0, last);

function key(
  source: Uint8Array,
  sport: number,
  destination: Uint8Array,
  dport: number,
  protocol: number,
): FlowKey {
  const made = flowKey();
  setSource(made, source, 0, 4);
  setDestination(made, destination, 0, 4);
  setPorts(made, sport, dport);
  made[9] = (4 << 8) | protocol;
  return made;
}

export const flow = (
  last: number,
  sport: number,
  far: number,
  dport: number,
  protocol: number = ip.TCP,
): FlowKey => key(host(last), sport, server(far), dport, protocol);
export const outerKey = (peer: number, sport: number, dport: number, protocol: number = ip.TCP): FlowKey =>
  key(PEERS[peer]!, sport, OWN, dport, protocol);

/** The outer tuple as the WAN delivers it, and the inner one as the LAN sends it. */
export function tuplesOf(
  table: BindingTable,
  binding: number,
): { inner: string; outer: string; port: number } {
  const [left, turned] = [flowKey(), flowKey()];
  table.readOuter(binding, left);
  reverseFlowKey(left, turned);
  const [outer, port] = [turned.join(), destinationPortOf(turned)];
  table.readInner(binding, left);
  reverseFlowKey(left, turned);
  return { inner: turned.join(), outer, port };
}

/** Lets the table make a binding towards a peer, by its index. */
export const create = (table: BindingTable, inner: FlowKey, nowMs = 0, peer = 0): number =>
  table.create(inner, peer, OWN, PEERS[peer]!, nowMs);
