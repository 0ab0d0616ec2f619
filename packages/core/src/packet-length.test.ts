import { ipv4, ipv6, udp } from '@ngisec/wire';
import { updateLengths } from './packet-length.ts';
import { PacketPool } from './packet-pool.ts';

test.each([
  [4, 17, 20, 200],
  [4, 6, 24, 200],
  [6, 17, 40, 200],
  [6, 6, 40, 200],
])(
  'IPv%i, protocol %i: lengths follow the packet, the transport checksum is left pending',
  (family, protocol, transport, size) => {
    const pool = new PacketPool({ packets: 2 });
    const octets = new Uint8Array(100).fill(0xab);
    octets[0] = family === 4 ? 0x40 | (transport >>> 2) : 0x60;
    if (family === 4) ipv4.completeChecksum(octets, 0);
    const packet = pool.allocateCopy(octets);
    const start = pool.start[packet]!;
    pool.family[packet] = family;
    pool.protocol[packet] = protocol;
    pool.transport[packet] = start + transport;
    pool.end[packet] = start + size;
    updateLengths(pool, packet);
    if (family === 4) {
      expect(ipv4.totalLength(pool.bytes, start)).toBe(size);
      expect(ipv4.hasValidChecksum(pool.bytes, start)).toBe(true);
    } else {
      expect(ipv6.payloadLength(pool.bytes, start)).toBe(size - 40);
    }
    expect(udp.length(pool.bytes, start + transport)).toBe(protocol === 17 ? size - transport : 0xabab);
    expect(pool.checksumPending[packet]).toBe(1);
  },
);
