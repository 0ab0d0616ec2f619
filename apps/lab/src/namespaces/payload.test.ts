import { createHash } from 'node:crypto';
import { MARKER, markedPayload } from '../check.ts';
import { DatagramLedger, datagramPayloads, payloadBlocks } from './payload.ts';

const BLOCK_BYTES = 65_536;

test.each([0, 1, 47, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES - 1])(
  'blocks of %d octets in all',
  (octets) => {
    const payload = Buffer.concat([...payloadBlocks(octets, 4)]);
    expect(payload.length).toBe(octets);
    for (let at = 0; at + 47 <= octets; at += 1009) {
      expect(payload.subarray(at, at + 47).includes(MARKER)).toBe(true);
    }
  },
);

test('no two blocks are equal, and neither are those of two salts', () => {
  const blocks = [...payloadBlocks(40 * BLOCK_BYTES, 1), ...payloadBlocks(40 * BLOCK_BYTES, 2)];
  const hashes = blocks.map((block) => createHash('sha256').update(block).digest('hex'));
  expect(new Set(hashes).size).toBe(80);
});

test('a ledger counts each datagram once, whatever the order, and no other', () => {
  const series = { family: 4, count: 60, largest: 1443 } as const;
  const ledger = new DatagramLedger(series);
  const payloads = datagramPayloads(series).reverse();
  ledger.take(Buffer.from('something else'));
  ledger.take(markedPayload(1443, 999));
  for (const payload of payloads.slice(1)) ledger.take(payload);
  expect(ledger.isComplete).toBe(false);
  ledger.take(payloads[1]!);
  expect(ledger.intact).toBe(59);
  ledger.take(payloads[0]!);
  expect(ledger.isComplete).toBe(true);
  expect(ledger.intact).toBe(60);
});
