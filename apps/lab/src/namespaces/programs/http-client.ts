/**
 * A web client that knows nothing of NGISec: `http-client download|upload URL OCTETS SALT`. Prints one line
 * of JSON about
 * the transfer, or ends with 1 and prints the error's code.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { SeenSocket } from '../../check.ts';
import { payloadBlocks } from '../payload.ts';

/** What the client saw of its transfer. */
export interface Fetched {
  readonly client: SeenSocket;
  readonly octets: number;
  readonly sha256: string;
  readonly seconds: number;
}

async function transfer(direction: string, url: string, octets: number, salt: number): Promise<Fetched> {
  const isUpload = direction === 'upload';
  const hash = createHash('sha256');
  const startedMs = performance.now();
  const outgoing = request(`${url}?octets=${octets}&salt=${salt}`, {
    method: isUpload ? 'PUT' : 'GET',
    agent: false,
    ...(isUpload ? { headers: { 'content-length': octets } } : {}),
  });
  const answered = once(outgoing, 'response');
  const count = async function* (blocks: AsyncIterable<Buffer> | Iterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const block of blocks) {
      hash.update(block);
      yield block;
    }
  };
  const send = isUpload
    ? pipeline(Readable.from(count(payloadBlocks(octets, salt))), outgoing)
    : outgoing.end();
  const [[response]] = (await Promise.all([answered, send])) as unknown as [[IncomingMessage]];
  const { localAddress: address = '', localPort: port = 0 } = response.socket;
  let received = 0;
  for await (const block of isUpload
    ? (response as AsyncIterable<Buffer>)
    : count(response as AsyncIterable<Buffer>)) {
    received += block.length;
  }
  const seconds = (performance.now() - startedMs) / 1000;
  return {
    client: { address, port },
    octets: isUpload ? octets : received,
    sha256: hash.digest('hex'),
    seconds,
  };
}

const [direction = '', url = '', octets, salt] = process.argv.slice(2);
try {
  process.stdout.write(JSON.stringify(await transfer(direction, url, Number(octets), Number(salt))) + '\n');
} catch (error) {
  process.stdout.write(
    JSON.stringify({ error: (error as NodeJS.ErrnoException).code ?? String(error) }) + '\n',
  );
  process.exitCode = 1;
}
