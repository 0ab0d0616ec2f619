/**
 * Sends a series of datagrams to an echo server and counts what comes back intact: `udp-client ADDRESS PORT
 * COUNT LARGEST`.
 * Knows nothing of NGISec. Prints one line of JSON.
 */
import { createSocket } from 'node:dgram';
import { setTimeout as sleep } from 'node:timers/promises';
import { DatagramLedger, datagramPayloads } from '../payload.ts';
import type { Echoed } from './udp-echo.ts';

/** Few at a time: a burst would only try the buffers of the sockets. */
const BURST = 8;
const PAUSE_MS = 2;
/** How long the last echoes may take. */
const PATIENCE_MS = 3000;

const [address = '', port, count, largest] = process.argv.slice(2);
const family = address.includes(':') ? 6 : 4;
const series = { family, count: Number(count), largest: Number(largest) } as const;
const ledger = new DatagramLedger(series);
const socket = createSocket({ type: `udp${family}`, recvBufferSize: 1 << 20 });
socket.on('message', (payload) => ledger.take(payload));
await new Promise<void>((resolve, reject) => {
  socket.once('error', reject);
  socket.connect(Number(port), address, resolve);
});
for (const [index, payload] of datagramPayloads(series).entries()) {
  socket.send(payload);
  if (index % BURST === BURST - 1) await sleep(PAUSE_MS);
}
for (let waitedMs = 0; waitedMs < PATIENCE_MS && !ledger.isComplete; waitedMs += 20) await sleep(20);
const local = socket.address();
const echoed: Echoed = { client: { address: local.address, port: local.port }, intact: ledger.intact };
process.stdout.write(JSON.stringify(echoed) + '\n');
socket.close();
