/**
 * A connection that beats: `pulse server|client tcp|tls ADDRESS PORT`. The client sends a line every few
 * milliseconds and
 * prints a line of JSON for each that came back, and one when the connection ended. The server echoes. Knows
 * nothing of NGISec.
 */
import { connect, createServer, type Socket } from 'node:net';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';

const BEAT_MS = 20;
const MESSAGE = 'NGISec plaintext, one beat of a connection\n';

/** TLS 1.2 with a key both ends have: no certificate to be made for the occasion. */
const identity = 'lab';
const tlsOptions = {
  ciphers: 'PSK-AES128-GCM-SHA256',
  maxVersion: 'TLSv1.2',
  psk: Buffer.from('00112233445566778899aabbccddeeff', 'hex'),
} as const;

const say = (value: object): void => void process.stdout.write(JSON.stringify(value) + '\n');

const [role, protocol, address = '', port] = process.argv.slice(2);

function serve(): void {
  const echo = (socket: Socket): void => {
    socket.on('data', (octets) => socket.write(octets));
    socket.on('error', () => socket.destroy());
  };
  const { ciphers, maxVersion, psk } = tlsOptions;
  const server =
    protocol === 'tls'
      ? createTlsServer({ ciphers, maxVersion, pskCallback: () => psk }, echo)
      : createServer(echo);
  server.on('tlsClientError', () => undefined);
  server.listen(Number(port), address, () => say({ listening: true }));
}

function beat(): void {
  const { ciphers, maxVersion, psk } = tlsOptions;
  const to = { host: address, port: Number(port) };
  const socket: Socket =
    protocol === 'tls'
      ? connectTls({
          ...to,
          ciphers,
          maxVersion,
          pskCallback: () => ({ psk, identity }),
          checkServerIdentity: () => undefined,
        })
      : connect(to);
  let echoed = 0;
  const timer = setInterval(() => socket.write(MESSAGE), BEAT_MS);
  socket.on(protocol === 'tls' ? 'secureConnect' : 'connect', () => say({ connected: true }));
  socket.on('data', () => say({ echoed: (echoed += 1) }));
  let reason = 'closed';
  socket.on('error', (error: NodeJS.ErrnoException) => (reason = error.code ?? error.message));
  socket.on('close', () => {
    clearInterval(timer);
    say({ ended: reason });
  });
}

if (role === 'server') serve();
else beat();
