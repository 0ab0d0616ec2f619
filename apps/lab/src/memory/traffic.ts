import { createHash } from 'node:crypto';
import type { TcpConnection } from '@ngisec/testkit';
import {
  datagramSizes,
  markedPayload,
  type BackendOptions,
  type Datagrams,
  type Pings,
  type SeenSocket,
  type Transfer,
} from '../check.ts';
import { ECHO_PORT, HTTP_PORT } from '../meeting.ts';
import { sites } from '../topology.ts';
import type { MemoryLaboratory } from './laboratory.ts';

const FAMILIES = [4, 6] as const;
const LIMIT_MS = 600_000;
const UDP_PAYLOAD_MAX = 1400;

const sha256 = (octets: Uint8Array): string => createHash('sha256').update(octets).digest('hex');

/** Everything a connection brings, until its peer sends no more. */
function collect(connection: TcpConnection, done: (octets: Buffer) => void): void {
  const parts: Uint8Array[] = [];
  connection.onData = (octets) => void parts.push(octets.slice());
  connection.onEnd = () => done(Buffer.concat(parts));
}

/** One download and one upload a family, over a fresh connection each. */
export function runTransfers(lab: MemoryLaboratory, { transferOctets }: BackendOptions): Transfer[] {
  return FAMILIES.flatMap((family, index) =>
    (['download', 'upload'] as const).map((direction, turn) =>
      startTransfer(lab, family, direction, markedPayload(transferOctets, 2 * index + turn)).finish(),
    ),
  );
}

/** A transfer under way. */
export interface RunningTransfer {
  isDone(): boolean;
  /** Lets it come to its end, and says how it went. */
  finish(): Transfer;
}

export function startTransfer(
  lab: MemoryLaboratory,
  family: 4 | 6,
  direction: Transfer['direction'],
  payload: Buffer,
  port = HTTP_PORT,
): RunningTransfer {
  const { network, stacks, meeting } = lab;
  const { clock } = network;
  const startMs = clock.nowMs();
  let endMs = startMs;
  let received: Buffer | undefined;
  let seen: SeenSocket = { address: '', port: 0 };
  const arrived = (octets: Buffer): void => {
    received = octets;
    endMs = clock.nowMs();
  };
  const unlisten = stacks.b.tcp.listen(port, (connection) => {
    seen = connection.peer;
    const answer = (octets: Buffer): void => {
      if (direction === 'upload') arrived(octets);
      else connection.write(payload);
      connection.close();
    };
    collect(connection, answer);
  });
  const client = stacks.a.tcp.connect({
    address: meeting.servers[family === 4 ? 0 : 1],
    port: port === HTTP_PORT ? meeting.httpPort : port,
  });
  if (direction === 'upload') client.write(payload);
  else collect(client, arrived);
  client.close();
  const isDone = (): boolean => received !== undefined;
  return {
    isDone,
    finish: () => {
      network.runUntil(isDone, LIMIT_MS);
      // The last acknowledgments.
      network.run(1000);
      unlisten();
      return {
        family,
        direction,
        octets: payload.length,
        sentSha256: sha256(payload),
        receivedSha256: received === undefined ? 'nothing arrived' : sha256(received),
        seconds: (endMs - startMs) / 1000,
        client: client.local,
        clientSeenByServer: seen,
      };
    },
  };
}

/** Datagrams of many sizes, echoed by the server, at one a millisecond. */
export function runDatagrams(lab: MemoryLaboratory, { datagramCount }: BackendOptions): Datagrams[] {
  const { a, b } = lab.stacks;
  const { servers, echoPort } = lab.meeting;
  return FAMILIES.map((family, index): Datagrams => {
    const server = b.udp.bind(ECHO_PORT);
    const client = a.udp.bind();
    const address = servers[index]!;
    const sizes = datagramSizes(datagramCount, UDP_PAYLOAD_MAX);
    const payloads = new Set(sizes.map((size, at) => sha256(markedPayload(size, at % 1000))));
    let received = 0;
    let echoed = 0;
    let seen: SeenSocket = { address: '', port: 0 };
    server.onDatagram = (payload, from) => {
      seen = from;
      if (payloads.has(sha256(payload))) received += 1;
      server.sendTo(from.address, from.port, payload);
    };
    client.onDatagram = (payload) => void (payloads.has(sha256(payload)) && (echoed += 1));
    sizes.forEach((size, at) => {
      lab.network.clock.schedule(at, () => client.sendTo(address, echoPort, markedPayload(size, at % 1000)));
    });
    lab.network.run(datagramCount + 1000);
    server.close();
    client.close();
    const own = { address: sites.a.host[index]!, port: client.port };
    return { family, sizes, received, echoed, client: own, clientSeenByServer: seen };
  });
}

export function runPings(lab: MemoryLaboratory, { pingCount }: BackendOptions): Pings[] {
  return FAMILIES.map((family, index) => {
    const run = lab.stacks.a.icmp.ping(lab.meeting.servers[index]!, pingCount, markedPayload(56, 999));
    lab.network.run(pingCount * 1000 + 1000);
    return { family, sent: pingCount, received: run.replies.length };
  });
}
