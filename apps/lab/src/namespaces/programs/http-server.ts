/**
 * A web server that knows nothing of NGISec: `http-server PORT ADDRESS... [--key FILE --certificate FILE]`, with which
 * it speaks HTTPS. `GET /?octets=N&salt=S` answers with that
 * much marked payload, `PUT` takes any. Prints one line of JSON when it listens, and one about every request.
 */
import { createHash, type Hash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import type { SeenSocket } from '../../check.ts';
import { payloadBlocks } from '../payload.ts';

/** What the server saw of one request. */
export interface Served {
  readonly client: SeenSocket;
  readonly octets: number;
  readonly sha256: string;
}

function* hashed(blocks: Iterable<Buffer>, hash: Hash): Generator<Buffer> {
  for (const block of blocks) {
    hash.update(block);
    yield block;
  }
}

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { remoteAddress: address = '', remotePort: port = 0 } = request.socket;
  const { searchParams } = new URL(request.url ?? '/', 'http://lab');
  const hash = createHash('sha256');
  let octets = Number(searchParams.get('octets'));
  if (request.method === 'GET') {
    response.setHeader('content-length', octets);
    await pipeline(
      Readable.from(hashed(payloadBlocks(octets, Number(searchParams.get('salt'))), hash)),
      response,
    );
  } else {
    octets = 0;
    for await (const chunk of request as AsyncIterable<Buffer>) {
      hash.update(chunk);
      octets += chunk.length;
    }
    response.end();
  }
  const served: Served = { client: { address, port }, octets, sha256: hash.digest('hex') };
  process.stdout.write(JSON.stringify(served) + '\n');
}

const { positionals, values: files } = parseArgs({
  allowPositionals: true,
  options: { key: { type: 'string' }, certificate: { type: 'string' } },
});
const [port, ...addresses] = positionals;
for (const address of addresses) {
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    serve(request, response).catch((error: unknown) => process.stderr.write(`${String(error)}\n`));
  };
  const server =
    files.key === undefined || files.certificate === undefined
      ? createServer(answer)
      : createTlsServer({ key: readFileSync(files.key), cert: readFileSync(files.certificate) }, answer);
  await once(server.listen(Number(port), address), 'listening');
}
process.stdout.write('{"listening":true}\n');
