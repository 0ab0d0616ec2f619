import fc from 'fast-check';
import { linkTypes, type CapturedPacket } from './capture.ts';
import { PcapReader, pcapWriter } from './pcap.ts';

// Lengths up to the maximum that an arbitrary names; by default most stay near ten.
fc.configureGlobal({ defaultSizeToMaxWhenMaxSpecified: true });

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replace(/\s/g, ''), 'hex'));

function readAll(reader: PcapReader, file: Uint8Array, chunkBytes = file.length): CapturedPacket[] {
  const packets: CapturedPacket[] = [];
  for (let at = 0; at < file.length; at += chunkBytes) {
    reader.push(file.subarray(at, at + chunkBytes));
    for (let packet = reader.next(); packet !== undefined; packet = reader.next()) packets.push(packet);
  }
  return packets;
}

const bigEndianMicroseconds = hex(`
  a1b2c3d4 0002 0004 00000000 00000000 00040000 00000001
  65000000 000f423f 00000003 000005dc 0a0b0c`);
const littleEndianNanoseconds = hex(`
  4d3cb2a1 0200 0400 00000000 00000000 00000400 65000000
  00000065 ffc99a3b 02000000 02000000 4500`);

describe('F9 pcap by hand-built octets', () => {
  test('big-endian, microseconds, Ethernet, a packet cut to 3 of 1,500 octets', () => {
    expect(readAll(new PcapReader(), bigEndianMicroseconds)).toEqual([
      {
        timeNs: 0x65000000n * 1_000_000_000n + 999_999_000n,
        octets: hex('0a0b0c'),
        originalBytes: 1500,
        linkType: 1,
      },
    ]);
  });

  test('little-endian, nanoseconds, raw IP', () => {
    expect(readAll(new PcapReader(), littleEndianNanoseconds)).toEqual([
      {
        timeNs: 0x65000000n * 1_000_000_000n + 999_999_999n,
        octets: hex('4500'),
        originalBytes: 2,
        linkType: 101,
      },
    ]);
  });

  test('the link type does not include the frame check sequence bits above it', () => {
    const file = bigEndianMicroseconds.slice();
    file[20] = 0x24;
    expect(readAll(new PcapReader(), file)[0]!.linkType).toBe(linkTypes.ethernet);
  });
});

describe('F9 pcap written and read', () => {
  const packets = fc.array(
    fc.record({
      octets: fc.uint8Array({ maxLength: 200 }),
      timeNs: fc.bigInt({ min: 0n, max: 0xffffffffn * 1_000_000_000n }),
    }),
    { maxLength: 60 },
  );

  test('every packet comes back whatever the chunks are', () => {
    fc.assert(
      fc.property(
        packets,
        fc.integer({ min: 1, max: 300 }),
        fc.constantFrom(1, 101, 113),
        (given, chunk, linkType) => {
          const writer = pcapWriter(linkType);
          const file = Buffer.concat([
            writer.header(),
            ...given.map(({ octets, timeNs }) => writer.packet(octets, timeNs)),
          ]);
          const reader = new PcapReader();
          expect(readAll(reader, file, chunk)).toEqual(
            given.map((packet) => ({ ...packet, originalBytes: packet.octets.length, linkType })),
          );
          expect(reader.error).toBeUndefined();
          expect(reader.pendingBytes).toBe(0);
        },
      ),
    );
  });

  test('the writer cuts to the snap length and keeps the original length', () => {
    const writer = pcapWriter(linkTypes.raw, 4);
    const file = Buffer.concat([
      writer.header(),
      writer.packet(hex('010203040506'), 7n),
      writer.packet(hex('01'), 8n, 9),
    ]);
    const [cut, short] = readAll(new PcapReader(), file);
    expect(cut).toEqual({ timeNs: 7n, octets: hex('01020304'), originalBytes: 6, linkType: 101 });
    expect(short).toMatchObject({ octets: hex('01'), originalBytes: 9 });
  });
});

describe('F9 F31 pcap that is not whole', () => {
  test('cut anywhere: the packets before the cut, no error, and the rest pending', () => {
    const writer = pcapWriter(linkTypes.raw);
    const parts = [writer.header(), writer.packet(hex('450001'), 1n), writer.packet(hex('4500020304'), 2n)];
    const file = Buffer.concat(parts);
    const ends = [24, 24 + 19, file.length];
    for (let length = 0; length <= file.length; length += 1) {
      const reader = new PcapReader();
      const read = readAll(reader, file.subarray(0, length));
      expect(read).toHaveLength(ends.filter((end) => end <= length).length - (length < 24 ? 0 : 1));
      expect(reader.error).toBeUndefined();
      expect(reader.pendingBytes).toBe(length - Math.max(0, ...ends.filter((end) => end <= length)));
    }
  });

  test.each([
    ['another file', hex('7f454c46'.repeat(6)), 'octet 0: not a pcap file'],
    [
      'a version that is not 2',
      hex('a1b2c3d4 0003 0000 00000000 00000000 00040000 00000001'),
      'octet 0: pcap version 3 is not supported',
    ],
    [
      'a record that claims 4 GiB',
      Buffer.concat([bigEndianMicroseconds.subarray(0, 24), hex('00000000 00000000 ffffffff ffffffff')]),
      'octet 24: a packet of 4294967295 octets',
    ],
  ])('%s is an error value, and final', (_, file, message) => {
    const reader = new PcapReader();
    expect(readAll(reader, file)).toEqual([]);
    expect(reader.error).toBe(message);
    const pending = reader.pendingBytes;
    expect(readAll(reader, bigEndianMicroseconds)).toEqual([]);
    expect(reader.error).toBe(message);
    expect(reader.pendingBytes).toBe(pending);
  });

  test('packets before a malformed record are read', () => {
    const reader = new PcapReader();
    const file = Buffer.concat([littleEndianNanoseconds, hex('00000000 00000000 ffffff7f ffffff7f')]);
    expect(readAll(reader, file)).toHaveLength(1);
    expect(reader.error).toBe('octet 42: a packet of 2147483647 octets');
  });

  test('random octets behind a good header never throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.integer({ min: 1, max: 60 }), (noise, chunk) => {
        const reader = new PcapReader();
        const read = readAll(reader, Buffer.concat([bigEndianMicroseconds.subarray(0, 24), noise]), chunk);
        expect(read.length).toBeLessThanOrEqual(noise.length / 16);
      }),
    );
  });
});
