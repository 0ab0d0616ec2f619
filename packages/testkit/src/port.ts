/**
 * Where a node's packets leave and arrive: one end of a link, or of a direct connection inside a machine. Octets
 * handed over belong to the receiver, who may change them.
 */
export interface PacketPort {
  send(octets: Uint8Array): void;
  /** Set by the node the port belongs to. */
  onPacket: (octets: Uint8Array) => void;
}

/** A port nobody has attached to: a packet that arrives there shows a mistake in the topology. */
export function unattached(): never {
  throw new Error('a packet arrived at a port that no node is attached to');
}

class DirectPort implements PacketPort {
  onPacket: (octets: Uint8Array) => void = unattached;
  peer: PacketPort | undefined;

  send(octets: Uint8Array): void {
    this.peer!.onPacket(octets);
  }
}

/** Two ports joined without delay or fault, as a host's stack and its device are. */
export function directPorts(): readonly [PacketPort, PacketPort] {
  const [one, other] = [new DirectPort(), new DirectPort()];
  one.peer = other;
  other.peer = one;
  return [one, other];
}
