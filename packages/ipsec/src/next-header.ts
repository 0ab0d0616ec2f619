/** What ESP's next header says of the plaintext. */
export const nextHeaders = {
  /** A whole IPv4 packet: the encapsulating duplicate. */
  ipv4Packet: 4,
  /** A whole IPv6 packet: the encapsulating duplicate. */
  ipv6Packet: 41,
  /** A control message: type-length-value items. */
  controlMessage: 252,
  /** A whole IP packet of a `tls` flow: an encapsulating duplicate that goes on in the clear. */
  tlsPacket: 253,
  /** Transport data. */
  transportData: 254,
} as const;
