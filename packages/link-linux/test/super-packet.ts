import { Batch, PacketPool } from '@ngisec/core';
import { copy, ip, ipv4, tcp, write16, write32 } from '@ngisec/wire';
import { Segmenter } from '../src/segment.ts';
import { GSO_TCPV4, GSO_TCPV6, GSO_UDP_L4 } from '../src/vnet-header.ts';

export interface SuperPacket {
  family: number;
  protocol: number;
  payloadBytes: number;
  optionBytes: number;
  flags: number;
  sequence: number;
  identification: number;
}

const example: SuperPacket = {
  family: 4,
  protocol: ip.TCP,
  payloadBytes: 3000,
  optionBytes: 12,
  flags: tcp.ACK,
  sequence: 0xffff_fc00,
  identification: 0xffff,
};

/** A packet with every field filled in, so that a lost one shows. */
export function build(wanted: Partial<SuperPacket>): Uint8Array {
  const given = { ...example, ...wanted };
  const isUdp = given.protocol === ip.UDP;
  const ipBytes = given.family === 4 ? 20 : 40;
  const transportBytes = isUdp ? 8 : 20 + given.optionBytes;
  const bytes = Uint8Array.from(
    { length: ipBytes + transportBytes + given.payloadBytes },
    (_, index) => (index * 7 + (index >>> 8)) & 0xff,
  );
  if (given.family === 4) {
    bytes.set([0x45, 0x02], 0);
    write16(bytes, 2, bytes.length);
    write16(bytes, 4, given.identification);
    bytes.set([0x40, 0, 64, given.protocol], 6);
    ipv4.completeChecksum(bytes, 0);
  } else {
    bytes.set([0x60, 0x21, 0x23, 0x45], 0);
    write16(bytes, 4, bytes.length - 40);
    bytes.set([given.protocol, 64], 6);
  }
  if (isUdp) write16(bytes, ipBytes + 4, bytes.length - ipBytes);
  else {
    write32(bytes, ipBytes + 4, given.sequence);
    bytes.set([(transportBytes >>> 2) << 4, given.flags], ipBytes + 12);
  }
  return bytes;
}

const gsoTypeOf = (bytes: Uint8Array): number => {
  const isV4 = bytes[0]! >>> 4 === 4;
  if ((isV4 ? bytes[9] : bytes[6]) === ip.UDP) return GSO_UDP_L4;
  return isV4 ? GSO_TCPV4 : GSO_TCPV6;
};

/** The segments of a super-packet, checksums pending. */
export function segment(
  bytes: Uint8Array,
  segmentBytes: number,
  pool = new PacketPool({ packets: 256 }),
): Batch {
  const segmenter = new Segmenter(bytes, (from, to, length) => copy(bytes, from, pool.bytes, to, length));
  const batch = new Batch(pool);
  if (!segmenter.begin(bytes.length, gsoTypeOf(bytes), segmentBytes, pool.packetBytesMax)) {
    throw new Error('not a super-packet');
  }
  while (segmenter.isPending) {
    const packet = pool.allocate();
    segmenter.next(pool, packet);
    batch.push(packet);
  }
  return batch;
}
