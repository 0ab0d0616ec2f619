// A TCP echo: `transfer.mjs serve PORT` answers what it gets; `transfer.mjs fetch ADDRESS PORT OCTETS` sends that
// much and prints "same" where all of it came back, else what went wrong.
import { createHash, randomBytes } from 'node:crypto';
import { connect, createServer } from 'node:net';

const [, , role, ...rest] = process.argv;
if (role === 'serve') {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined);
    socket.pipe(socket);
  });
  server.listen(Number(rest[0]), () => process.stdout.write('ready\n'));
} else {
  const [address, port, octets] = rest;
  const sent = randomBytes(Number(octets));
  const received = createHash('sha256');
  const socket = connect({ host: address, port: Number(port) });
  socket.setTimeout(5000, () => socket.destroy(new Error('timed out')));
  socket.on('data', (data) => received.update(data));
  socket.on('error', (error) => process.stdout.write(`${error.code ?? error.message}\n`));
  socket.on('end', () => {
    const same = received.digest('hex') === createHash('sha256').update(sent).digest('hex');
    process.stdout.write(same ? 'same\n' : 'different\n');
  });
  socket.end(sent);
}
