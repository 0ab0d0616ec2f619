import type { Batch } from './batch.ts';

/**
 * Which way a packet leaves a node: `outbound` towards the network (a host's wire, a gateway's WAN), `inbound`
 * towards what the node protects (a host's own stack, a gateway's LAN).
 */
export type Heading = 'outbound' | 'inbound';

/** Where packets enter and leave a graph: a TUN device, a simulated interface, a capture file. */
export interface PacketDevice {
  readonly name: string;
  /**
   * Appends waiting packets to `batch`, allocated from its pool, without blocking and without leaving fewer than
   * half of the pool free. Returns how many came.
   */
  receive(batch: Batch): number;
  /**
   * Sends the batch and releases its packets. Transport checksums that are pending are completed here. Returns
   * how many the far side refused; they count as drops.
   */
  transmit(batch: Batch, heading: Heading): number;
}
