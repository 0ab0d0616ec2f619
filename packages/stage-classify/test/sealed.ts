import { PacketPool } from '@ngisec/core';
import { shim, type Channel } from '@ngisec/ipsec';
import { preparePacket } from '@ngisec/testkit';
import { ip } from '@ngisec/wire';
import { strict as assert } from 'node:assert';

/** The packet as it goes onto the wire: under a channel's outbound SA, its checksum complete. */
export function sealed(octets: Uint8Array, { outbound }: Channel): Uint8Array {
  const pool = new PacketPool({ packets: 1 });
  const packet = pool.allocateCopy(octets);
  assert.ok(preparePacket(pool, packet));
  assert.equal(shim.seal(pool, packet, outbound), shim.SEAL_OK);
  const [start, transport, end] = [pool.start[packet]!, pool.transport[packet]!, pool.end[packet]!];
  ip.completeTransportChecksum(
    pool.bytes,
    start,
    transport,
    end,
    pool.family[packet]!,
    pool.protocol[packet]!,
  );
  return pool.octets(packet);
}
