import fc from 'fast-check';
import { Batch } from './batch.ts';
import { limits } from './limits.ts';
import { PacketPool } from './packet-pool.ts';
import { DropPoint, OutputPort } from './ports.ts';

// Lengths up to the maximum that an arbitrary names; by default most stay near ten.
fc.configureGlobal({ defaultSizeToMaxWhenMaxSpecified: true });

const smallPool = (packets = 8): PacketPool => new PacketPool({ packets, slotBytes: 256, headroomBytes: 64 });

describe('F30 PacketPool', () => {
  test('hands out each packet once, packet 0 first, then says that it is empty', () => {
    const pool = smallPool(4);
    expect(Array.from({ length: 5 }, () => pool.allocate())).toEqual([0, 1, 2, 3, -1]);
    expect(pool.available).toBe(0);
    expect(pool.allocateCopy(Uint8Array.of(1))).toBe(-1);
    pool.release(2);
    expect(pool.available).toBe(1);
    expect(pool.allocate()).toBe(2);
  });

  test('no packet is held twice, and the level returns, over random allocations and releases', () => {
    fc.assert(
      fc.property(fc.array(fc.option(fc.nat(7)), { maxLength: 60 }), (steps) => {
        const pool = smallPool();
        const held: number[] = [];
        for (const step of steps) {
          if (step === null) {
            const packet = pool.allocate();
            expect(packet >= 0).toBe(held.length < pool.capacity);
            if (packet < 0) continue;
            expect(held).not.toContain(packet);
            held.push(packet);
          } else if (held.length > 0) {
            pool.release(held.splice(step % held.length, 1)[0]!);
          }
          expect(pool.available).toBe(pool.capacity - held.length);
        }
        for (const packet of held) pool.release(packet);
        expect(pool.available).toBe(pool.capacity);
      }),
    );
  });

  test('a packet comes back with its fields reset', () => {
    const pool = smallPool(1);
    const columns = [
      'family',
      'protocol',
      'checksumPending',
      'nextHeader',
      'channel',
      'rule',
      'holder',
    ] as const;
    const offsets = ['start', 'end', 'transport', 'payload'] as const;
    pool.allocate();
    for (const column of [...columns, ...offsets]) pool[column][0] = 77;
    pool.release(0);
    pool.allocate();
    expect(columns.map((column) => pool[column][0])).toEqual([0, 0, 0, 0, -1, -1, 0]);
    expect(offsets.map((offset) => pool[offset][0])).toEqual([64, 64, 64, 64]);
  });

  test('copies octets in behind the headroom and out again; the neighbours stay', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 128 }), fc.nat(128), fc.nat(128), (octets, from, length) => {
        const pool = smallPool(3);
        const at = Math.min(from, octets.length);
        const end = Math.min(at + length, octets.length);
        pool.bytes.fill(0xee);
        pool.allocate();
        const packet = pool.allocateCopy(octets, at, end);
        expect(pool.octets(packet)).toEqual(octets.slice(at, end));
        expect(pool.headroom(packet)).toBe(64);
        expect(pool.tailroom(packet)).toBe(256 - 64 - (end - at));
        const outside = [...pool.bytes.subarray(0, 256 + 64), ...pool.bytes.subarray(256 + 64 + end - at)];
        expect(outside.every((octet) => octet === 0xee)).toBe(true);
      }),
    );
  });

  test('octets that leave no room to grow are refused and cost no packet', () => {
    const pool = smallPool();
    expect(pool.packetBytesMax).toBe(128);
    expect(pool.allocateCopy(new Uint8Array(129))).toBe(-1);
    expect(pool.available).toBe(8);
    expect(pool.allocateCopy(new Uint8Array(128))).toBe(0);
    expect(pool.tailroom(0)).toBe(64);
  });

  test('the defaults hold an Ethernet MTU', () => {
    const pool = new PacketPool({ packets: 1 });
    expect(pool.packetBytesMax).toBeGreaterThanOrEqual(1500);
    expect(new PacketPool().capacity).toBe(limits.poolPackets);
  });
});

test('Batch: fills to 256 packets and clears', () => {
  const batch = new Batch(smallPool());
  for (let packet = 0; packet < limits.batchPackets; packet += 1) {
    expect(batch.isFull).toBe(false);
    batch.push(1000 + packet);
  }
  expect(batch.isFull).toBe(true);
  expect([batch.length, batch.packets[0], batch.packets[255]]).toEqual([256, 1000, 1255]);
  batch.clear();
  expect([batch.length, batch.isFull]).toEqual([0, false]);
});

describe('OutputPort', () => {
  function listen(port: OutputPort): number[][] {
    const seen: number[][] = [];
    port.batches$.subscribe(({ packets, length }) => seen.push([...packets.subarray(0, length)]));
    return seen;
  }

  test('packets wait for the flush and leave in one batch, in order', () => {
    const port = new OutputPort(smallPool());
    expect(port.isConnected).toBe(false);
    const seen = listen(port);
    expect(port.isConnected).toBe(true);
    port.flush();
    port.push(5);
    port.push(3);
    expect([seen, port.emitted]).toEqual([[], 0]);
    port.flush();
    port.flush();
    expect([seen, port.emitted]).toEqual([[[5, 3]], 2]);
  });

  test('F21 a full batch leaves by itself', () => {
    const port = new OutputPort(smallPool());
    const seen = listen(port);
    for (let packet = 0; packet < 600; packet += 1) port.push(packet);
    expect(seen.map((batch) => batch.length)).toEqual([256, 256]);
    port.flush();
    expect(seen.flat()).toEqual(Array.from({ length: 600 }, (_, packet) => packet));
    expect(port.emitted).toBe(600);
  });
});

test('DropPoint: counts and gives the slot back', () => {
  const pool = smallPool();
  const drop = new DropPoint(pool);
  const packets = [pool.allocate(), pool.allocate(), pool.allocate()];
  drop.drop(packets[1]!);
  drop.drop(packets[0]!);
  expect([drop.dropped, pool.available]).toEqual([2, 7]);
});
