/**
 * What ESP's next header says of the plaintext. The packet's own IP protocol (6, 17, 1 or 58) there means a transport
 * header and its data: the emitted T header, repeated behind the readable one (draft section 6.3).
 */
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
