import { PacketPool } from '@ngisec/core';
import { controlMessage, nextHeaders } from '@ngisec/ipsec';
import { buildEcho, buildTcp, buildUdp, preparePacket } from '@ngisec/testkit';
import { ip } from '@ngisec/wire';
import { TestSad } from '../test/secure-channels.ts';
import { turnIntoConfirmation, writeAnnouncement } from './flow-messages.ts';

const sa = new TestSad().addChannel('peer', 'data', '10.2.0.2').outbound;
const ends = { src: '10.1.0.2', dst: '10.2.0.2' };

function received(pool: PacketPool, octets: Uint8Array): number {
  const packet = pool.allocateCopy(octets);
  expect(preparePacket(pool, packet)).toBe(true);
  return packet;
}

/** The packet as a device sends it. */
function sent(pool: PacketPool, packet: number): Uint8Array {
  expect(pool.checksumPending[packet]).toBe(1);
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

describe('writeAnnouncement', () => {
  test('#33 is the packet with the declaration where its payload was; the packet itself stays as it is', () => {
    const pool = new PacketPool({ packets: 2 });
    const octets = buildUdp({
      ...ends,
      sport: 5000,
      dport: 53,
      dscp: 46,
      ttl: 9,
      payload: new Uint8Array(900).fill(0xaa),
    });
    const packet = received(pool, octets);
    pool.rule[packet] = 3;
    const message = writeAnnouncement(pool, packet, sa);
    expect([pool.nextHeader[message], pool.rule[message], pool.channel[message]]).toEqual([
      nextHeaders.controlMessage,
      3,
      -1,
    ]);
    // Declaration, reserved, 8 octets; SPI 2001, AES-128-GCM, mode vpn, reserved.
    const declaration = Uint8Array.of(4, 0, 0, 8, 0, 0, 0x07, 0xd1, 1, 2, 0, 0);
    expect(sent(pool, message)).toEqual(
      buildUdp({ ...ends, sport: 5000, dport: 53, dscp: 46, ttl: 9, payload: declaration }),
    );
    expect(pool.octets(packet)).toEqual(octets);
  });

  test('takes IPv4 options along', () => {
    const pool = new PacketPool({ packets: 2 });
    const plain = buildUdp({ ...ends, sport: 1, dport: 2 });
    const octets = Uint8Array.of(...plain.subarray(0, 20), 1, 1, 1, 0, ...plain.subarray(20));
    octets[0] = 0x46;
    octets[3]! += 4;
    octets[10] = 0;
    octets[11] = 0;
    octets.set(checksumOf(octets.subarray(0, 24)), 10);
    const message = writeAnnouncement(pool, received(pool, octets), sa);
    expect(pool.octets(message).subarray(20, 24)).toEqual(Uint8Array.of(1, 1, 1, 0));
    expect(pool.payload[message]! - pool.start[message]!).toBe(32);
  });

  test('is none where the pool is empty', () => {
    const pool = new PacketPool({ packets: 1 });
    expect(writeAnnouncement(pool, received(pool, buildUdp({ ...ends, sport: 1, dport: 2 })), sa)).toBe(-1);
    expect(pool.available).toBe(0);
  });

  test('is none where the headers alone fill a packet, and costs no packet', () => {
    const pool = new PacketPool({ packets: 2, slotBytes: 320, headroomBytes: 128 });
    const octets = buildTcp({ ...ends, sport: 1, dport: 2, options: new Uint8Array(16).fill(1) });
    const packet = received(pool, octets);
    expect(pool.packetBytesMax).toBe(64);
    expect(writeAnnouncement(pool, packet, sa)).toBe(-1);
    expect(pool.available).toBe(1);
    expect(octets.length + controlMessage.DECLARATION_BYTES).toBe(68);
  });
});

function checksumOf(header: Uint8Array): number[] {
  let sum = 0;
  for (let at = 0; at < header.length; at += 2) sum += (header[at]! << 8) | header[at + 1]!;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return [(~sum >>> 8) & 0xff, ~sum & 0xff];
}

describe('turnIntoConfirmation', () => {
  const back = { src: ends.dst, dst: ends.src };
  const items = new Uint8Array(controlMessage.DECLARATION_BYTES);
  const confirmation = Uint8Array.of(2, 0, 0, 0);

  test.each([
    [
      'UDP',
      buildUdp({ ...ends, ttl: 2, sport: 5000, dport: 53, payload: items }),
      buildUdp({ ...back, sport: 53, dport: 5000, payload: confirmation }),
    ],
    [
      'TCP',
      buildTcp({ ...ends, ttl: 2, sport: 5000, dport: 80, payload: items }),
      buildTcp({ ...back, sport: 80, dport: 5000, payload: confirmation }),
    ],
    [
      'echo',
      buildEcho({ ...ends, ttl: 2, identifier: 5, payload: items }),
      buildEcho({ ...back, identifier: 5, reply: true, payload: confirmation }),
    ],
  ])(
    '%s: swaps addresses and ports in place, renews the hops, keeps checksums right',
    (_, octets, expected) => {
      const pool = new PacketPool({ packets: 1 });
      const packet = received(pool, octets);
      turnIntoConfirmation(pool, packet);
      expect(sent(pool, packet)).toEqual(expected);
    },
  );
});
