import type { Random } from '@ngisec/core';

export interface SocketAddress {
  readonly address: string;
  readonly port: number;
}

/** RFC 6335 section 6: dynamic ports. */
const EPHEMERAL_FIRST = 49_152;
const EPHEMERAL_PORTS = 16_384;

/** The first free port from a random one on (RFC 6056 section 3.3.1). Throws where none is. */
export function ephemeralPort(random: Random, isFree: (port: number) => boolean): number {
  const first = random.integer(EPHEMERAL_PORTS);
  for (let tried = 0; tried < EPHEMERAL_PORTS; tried += 1) {
    const port = EPHEMERAL_FIRST + ((first + tried) % EPHEMERAL_PORTS);
    if (isFree(port)) return port;
  }
  throw new Error('no ephemeral port is free');
}
