/** 2^53 packets cannot be sent in a test, so the last sequence number is brought near: to 3. */
import { jest } from '@jest/globals';
import { PacketPool } from '@ngisec/core';
import { buildUdp, preparePacket } from '@ngisec/testkit';
import * as replayWindow from './replay-window.ts';

jest.unstable_mockModule('./replay-window.ts', () => ({ ...replayWindow, SEQUENCE_MAX: 3 }));
const shim = await import('./shim.ts');
const { saPair, toHex } = await import('../test/sa-pair.ts');

test('#98 an SA that used its last sequence number seals nothing more, and the packet stays clear', () => {
  const pool = new PacketPool({ packets: 1 });
  const { outbound } = saPair();
  const octets = buildUdp({ src: '10.1.0.5', dst: '10.2.0.7', sport: 1, dport: 2 });
  const results = Array.from({ length: 6 }, () => {
    const packet = pool.allocateCopy(octets);
    preparePacket(pool, packet);
    const result = shim.seal(pool, packet, outbound);
    if (result !== shim.SEAL_OK) expect(toHex(pool.octets(packet))).toBe(toHex(octets));
    pool.release(packet);
    return result;
  });
  const { SEAL_OK, SEAL_SEQUENCE_EXHAUSTED } = shim;
  expect(results).toEqual([SEAL_OK, SEAL_OK, SEAL_OK, ...Array<number>(3).fill(SEAL_SEQUENCE_EXHAUSTED)]);
  expect(outbound.nextSequence()).toBe(0);
});

test('#98 the real last sequence number is the last that a JavaScript number tells apart', () => {
  expect(replayWindow.SEQUENCE_MAX).toBe(2 ** 53 - 1);
});
