/** Every bound of the engine in one place; each is an option of what uses it. */
export const limits = {
  /** Packets in one batch. */
  batchPackets: 256,
  /** Packets a pool holds at once. */
  poolPackets: 2048,
  /** Octets of one packet slot, headroom and tailroom included; a multiple of 64. */
  slotBytes: 2048,
  /** Free octets before a packet as it enters: an IPv6 header, the longest TCP header, AH and ESP headers. */
  headroomBytes: 192,
  /** Live entries of a flow table. */
  flows: 65536,
  /** Milliseconds between two runs of the stages' housekeeping. */
  tickMs: 10,
  /** Entries looked at for expiry in one tick. */
  sweepEntries: 256,
} as const;
