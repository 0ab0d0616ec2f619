/**
 * An echo server that knows nothing of NGISec: `udp-echo ADDRESS PORT COUNT LARGEST`. Sends every datagram back; on
 * SIGTERM prints one line of JSON about how many of the series came intact, and ends.
 */
import { createSocket } from 'node:dgram';
import type { SeenSocket } from '../../check.ts';
import { DatagramLedger } from '../payload.ts';

export interface Echoed {
  readonly client: SeenSocket;
  readonly intact: number;
}

const [address = '', port, count, largest] = process.argv.slice(2);
const family = address.includes(':') ? 6 : 4;
const ledger = new DatagramLedger({ family, count: Number(count), largest: Number(largest) });
let client: SeenSocket = { address: '', port: 0 };

const socket = createSocket({ type: `udp${family}`, recvBufferSize: 1 << 20 });
socket.on('message', (payload, from) => {
  client = { address: from.address, port: from.port };
  ledger.take(payload);
  socket.send(payload, from.port, from.address);
});
process.on('SIGTERM', () => {
  const echoed: Echoed = { client, intact: ledger.intact };
  process.stdout.write(JSON.stringify(echoed) + '\n');
  socket.close();
});
socket.bind(Number(port), address, () => process.stdout.write('{"listening":true}\n'));
