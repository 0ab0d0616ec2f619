import fc from 'fast-check';
import type { CapturedPacket } from './capture.ts';
import {
  decryptionSecrets,
  enhancedPacket,
  interfaceDescription,
  PcapngReader,
  sectionHeader,
} from './pcapng.ts';

// Lengths up to the maximum that an arbitrary names; by default most stay near ten.
fc.configureGlobal({ defaultSizeToMaxWhenMaxSpecified: true });

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replace(/\s/g, ''), 'hex'));

function readAll(reader: PcapngReader, file: Uint8Array, chunkBytes = file.length): CapturedPacket[] {
  const packets: CapturedPacket[] = [];
  for (let at = 0; at < file.length; at += chunkBytes) {
    reader.push(file.subarray(at, at + chunkBytes));
    for (let packet = reader.next(); packet !== undefined; packet = reader.next()) packets.push(packet);
  }
  return packets;
}

function readWhole(...parts: readonly Uint8Array[]): readonly CapturedPacket[] {
  const reader = new PcapngReader();
  const packets = readAll(reader, Buffer.concat(parts));
  expect(reader.error).toBeUndefined();
  expect(reader.pendingBytes).toBe(0);
  return packets;
}

const bigEndianSection = hex('0a0d0d0a 0000001c 1a2b3c4d 0001 0000 ffffffffffffffff 0000001c');
const littleEndianSection = hex('0a0d0d0a 1c000000 4d3c2b1a 0100 0000 ffffffffffffffff 1c000000');
/** Ethernet, snap length 4, no options: microseconds. */
const bigEndianInterface = hex('00000001 00000014 0001 0000 00000004 00000014');

describe('F9 pcapng by hand-built octets', () => {
  test('the written section header, interface and packet are these octets', () => {
    expect(sectionHeader()).toEqual(littleEndianSection);
    expect(interfaceDescription({ name: 'wan', linkType: 101 })).toEqual(
      hex('01000000 28000000 6500 0000 00000000 0200 0300 77616e00 0900 0100 09000000 0000 0000 28000000'),
    );
    const record = {
      interfaceId: 1,
      timeNs: 0x123456789an,
      octets: hex('4500'),
      direction: 'outbound',
      comment: 'é',
    } as const;
    expect(enhancedPacket(record)).toEqual(
      hex(`06000000 38000000 01000000 12000000 9a785634 02000000 02000000 45000000
           0100 0200 c3a90000 0200 0400 02000000 0000 0000 38000000`),
    );
    expect(decryptionSecrets(0x544c534b, hex('414243'))).toEqual(
      hex('0a000000 18000000 4b534c54 03000000 41424300 18000000'),
    );
  });

  test('big-endian: microseconds by default, a comment, the direction, an unknown option', () => {
    const packet = hex(`00000006 00000044 00000000 0006 2000 00000001 00000003 000005dc 0a0b0c00
      0001 0005 68656c6c 6f000000 0002 0004 00000001 8001 0004 deadbeef 0000 0000 00000044`);
    expect(readWhole(bigEndianSection, bigEndianInterface, packet)).toEqual([
      {
        timeNs: 0x0006200000000001n * 1000n,
        octets: hex('0a0b0c'),
        originalBytes: 1500,
        linkType: 1,
        comment: 'hello',
        direction: 'inbound',
      },
    ]);
  });

  test('simple packets belong to interface 0 and are cut to its snap length', () => {
    const simple = hex('00000003 00000014 00000009 01020304 00000014');
    expect(readWhole(bigEndianSection, bigEndianInterface, simple)).toEqual([
      { timeNs: 0n, octets: hex('01020304'), originalBytes: 9, linkType: 1 },
    ]);
  });

  test('blocks of other types are skipped, before the first interface as behind it', () => {
    const nameResolution = hex('00000004 00000010 00000000 00000010');
    const custom = hex('00000bad 00000014 00007fff cafecafe 00000014');
    const simple = hex('00000003 00000014 00000004 01020304 00000014');
    expect(
      readWhole(bigEndianSection, nameResolution, bigEndianInterface, custom, simple, custom),
    ).toHaveLength(1);
  });

  test('a new section starts over: its own byte order, its own interfaces', () => {
    const simple = hex('00000003 00000014 00000004 01020304 00000014');
    const first = [bigEndianSection, bigEndianInterface, simple];
    const second = [sectionHeader('ngisec'), interfaceDescription({ name: 'lan', linkType: 101 })];
    const packet = enhancedPacket({ interfaceId: 0, timeNs: 5n, octets: hex('60') });
    expect(readWhole(...first, ...second, packet)[1]).toEqual({
      timeNs: 5n,
      octets: hex('60'),
      originalBytes: 1,
      linkType: 101,
      interfaceName: 'lan',
    });
    const reader = new PcapngReader();
    expect(readAll(reader, Buffer.concat([...first, sectionHeader(), packet]))).toHaveLength(1);
    expect(reader.error).toBe('octet 96: no interface is numbered 0');
  });

  test.each([
    ['milliseconds', '0009 0001 03000000', 1_000_000n],
    ['seconds', '0009 0001 00000000', 1_000_000_000n],
    ['a 1,024th of a second', '0009 0001 8a000000', 976_562n],
    ['picoseconds', '0009 0001 0c000000', 0n],
    ['microseconds from 2 seconds on', '000e 0008 0000000000000002', 2_000_001_000n],
    ['microseconds from 1 second before 1970 on', '000e 0008 ffffffffffffffff', -999_999_000n],
  ])('time in %s', (_, option, timeNs) => {
    const options = hex(option);
    const length = (20 + options.length).toString(16).padStart(8, '0');
    const described = hex(`00000001 ${length} 0001 0000 00000000 ${option} ${length}`);
    const packet = hex('00000006 00000020 00000000 00000000 00000001 00000000 00000000 00000020');
    expect(readWhole(bigEndianSection, described, packet)[0]!.timeNs).toBe(timeNs);
  });
});

const record = fc.record(
  {
    interfaceId: fc.integer({ min: 0, max: 1 }),
    timeNs: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    octets: fc.uint8Array({ maxLength: 90 }),
    direction: fc.constantFrom('inbound' as const, 'outbound' as const),
    comment: fc.string({ unit: 'grapheme', maxLength: 20 }),
  },
  { requiredKeys: ['interfaceId', 'timeNs', 'octets'] },
);
const prologue = [
  sectionHeader('ngisec'),
  interfaceDescription({ name: 'wan', linkType: 101 }),
  decryptionSecrets(1, hex('01')),
  interfaceDescription({ name: 'lan', linkType: 1, snapLength: 96 }),
];

describe('F9 F31 pcapng written and read', () => {
  test('every packet comes back whatever the chunks are', () => {
    fc.assert(
      fc.property(fc.array(record, { maxLength: 60 }), fc.integer({ min: 1, max: 300 }), (given, chunk) => {
        const reader = new PcapngReader();
        const file = Buffer.concat([...prologue, ...given.map(enhancedPacket)]);
        expect(readAll(reader, file, chunk)).toEqual(
          given.map(({ interfaceId, ...packet }) => ({
            ...packet,
            originalBytes: packet.octets.length,
            linkType: interfaceId === 0 ? 101 : 1,
            interfaceName: interfaceId === 0 ? 'wan' : 'lan',
          })),
        );
        expect(reader.error).toBeUndefined();
        expect(reader.pendingBytes).toBe(0);
      }),
    );
  });

  test('an option that does not fit its 16-bit length is refused', () => {
    const comment = 'x'.repeat(65_536);
    expect(() => enhancedPacket({ interfaceId: 0, timeNs: 0n, octets: hex(''), comment })).toThrow(
      RangeError,
    );
  });

  test('cut anywhere: the packets before the cut, no error, and the rest pending', () => {
    const packet = enhancedPacket({ interfaceId: 0, timeNs: 1n, octets: hex('450001'), comment: 'one' });
    const begin = Buffer.concat(prologue);
    const file = Buffer.concat([begin, packet, packet]);
    for (let length = 0; length <= file.length; length += 1) {
      const reader = new PcapngReader();
      const whole = Math.max(0, Math.floor((length - begin.length) / packet.length));
      expect(readAll(reader, file.subarray(0, length))).toHaveLength(whole);
      expect(reader.error).toBeUndefined();
      if (length >= begin.length) expect(reader.pendingBytes).toBe((length - begin.length) % packet.length);
    }
  });

  test.each([
    ['another file', hex('a1b2c3d4 0002 0004 00000000'), 'octet 0: not a pcapng section header'],
    [
      'a section without the byte-order magic',
      hex('0a0d0d0a 0000001c 00000000'),
      'octet 0: not a pcapng section header',
    ],
    [
      'an unknown version',
      hex('0a0d0d0a 0000001c 1a2b3c4d 0002 0000 ffffffffffffffff 0000001c'),
      'octet 0: pcapng version 2 is not supported',
    ],
    [
      'a section header cut short',
      hex('0a0d0d0a 00000010 1a2b3c4d 00000010'),
      'octet 0: a section header cut short',
    ],
    [
      'an interface cut short',
      Buffer.concat([bigEndianSection, hex('00000001 00000010 00010000 00000010')]),
      'octet 28: a block cut short',
    ],
    [
      'a block of no octets',
      Buffer.concat([bigEndianSection, hex('00000bad 00000000 00000000')]),
      'octet 28: a block of 0 octets',
    ],
    [
      'a block of 13 octets',
      Buffer.concat([bigEndianSection, hex('00000bad 0000000d 00000000')]),
      'octet 28: a block of 13 octets',
    ],
    [
      'a block of 4 GiB',
      Buffer.concat([bigEndianSection, hex('00000bad fffffffc 00000000')]),
      'octet 28: a block of 4294967292 octets',
    ],
    [
      'lengths that differ',
      Buffer.concat([bigEndianSection, hex('00000bad 0000000c 00000010')]),
      'octet 28: the two lengths of a block differ',
    ],
    [
      'a packet longer than its block',
      Buffer.concat([
        bigEndianSection,
        bigEndianInterface,
        hex('00000006 00000020 00000000 00000000 00000001 00000004 00000004 00000020'),
      ]),
      'octet 48: a packet of 4 octets',
    ],
    [
      'a packet block cut short',
      Buffer.concat([bigEndianSection, bigEndianInterface, hex('00000006 00000010 00000000 00000010')]),
      'octet 48: a packet block cut short',
    ],
    [
      'a simple packet longer than its block',
      Buffer.concat([bigEndianSection, bigEndianInterface, hex('00000003 00000010 00000004 00000010')]),
      'octet 48: a packet of 4 octets',
    ],
    [
      'a simple packet without an interface',
      Buffer.concat([bigEndianSection, hex('00000003 00000010 00000000 00000010')]),
      'octet 28: a simple packet cut short or without an interface',
    ],
    [
      'an option longer than its block',
      Buffer.concat([bigEndianSection, hex('00000001 00000018 00010000 00000004 0002 0005 00000018')]),
      'octet 28: an option of 5 octets',
    ],
  ])('%s is an error value, and final', (_, file, message) => {
    const reader = new PcapngReader();
    expect(readAll(reader, file)).toEqual([]);
    expect(reader.error).toBe(message);
    reader.push(bigEndianSection);
    expect(reader.next()).toBeUndefined();
    expect(reader.error).toBe(message);
  });

  test('one octet changed anywhere never throws, and every other packet of the file is still bounded by it', () => {
    const packet = enhancedPacket({ interfaceId: 1, timeNs: 1n, octets: hex('450001'), comment: 'one' });
    const file = Buffer.concat([...prologue, packet, packet]);
    fc.assert(
      fc.property(fc.nat(file.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const changed = Uint8Array.from(file);
        changed[at]! ^= flip;
        expect(readAll(new PcapngReader(), changed, 64).length).toBeLessThanOrEqual(2);
      }),
      { numRuns: 2000 },
    );
  });

  test('random blocks of a right frame never throw', () => {
    const blocks = fc.array(fc.tuple(fc.constantFrom(1, 2, 3, 6, 10, 99), fc.uint8Array({ maxLength: 80 })), {
      maxLength: 6,
    });
    fc.assert(
      fc.property(blocks, (given) => {
        const frames = given.map(([type, body]) => {
          const frame = new Uint8Array(12 + (body.length & ~3));
          const view = new DataView(frame.buffer);
          view.setUint32(0, type);
          view.setUint32(4, frame.length);
          view.setUint32(frame.length - 4, frame.length);
          frame.set(body.subarray(0, frame.length - 12), 8);
          return frame;
        });
        const reader = new PcapngReader();
        const packets = readAll(reader, Buffer.concat([bigEndianSection, bigEndianInterface, ...frames]));
        expect(packets.length).toBeLessThanOrEqual(given.length);
      }),
    );
  });
});
