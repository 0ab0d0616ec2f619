import { fileURLToPath } from 'node:url';
import {
  datagramSizes,
  MARKER,
  type BackendOptions,
  type Datagrams,
  type Pings,
  type Transfer,
} from '../check.ts';
import type { LabMode } from '../modes.ts';
import { ECHO_PORT, HTTP_PORT, meetingOf, type Meeting } from '../meeting.ts';
import { MTU_BYTES, sites } from '../topology.ts';
import { find } from './command.ts';
import type { Network } from './network.ts';
import type { Program } from './program.ts';
import type { Fetched } from './programs/http-client.ts';
import type { Served } from './programs/http-server.ts';
import type { Echoed } from './programs/udp-echo.ts';

const families = [4, 6] as const;
type Family = (typeof families)[number];

/** What protection adds to a packet at most, as the host's route leaves room for it. */
const SHIM_BYTES_MAX = 29;
const LARGEST_DATAGRAM = { 4: MTU_BYTES - SHIM_BYTES_MAX - 20 - 8, 6: MTU_BYTES - SHIM_BYTES_MAX - 40 - 8 };
/** For a second one TCPSec leaves room on the route, whatever the protocol. */
const TCP_HEADER_BYTES_MAX = 60;
const CURL_OCTETS = 65_536;
const PING_INTERVAL_SECONDS = '0.02';

const own = (name: string): string[] => [
  process.execPath,
  fileURLToPath(new URL(`./programs/${name}.js`, import.meta.url)),
];
const serverOf = ({ servers }: Meeting, family: Family): string => servers[family === 4 ? 0 : 1];
export const urlOf = (meeting: Meeting, family: Family): string => {
  const address = serverOf(meeting, family);
  return `http://${family === 4 ? address : `[${address}]`}:${meeting.httpPort}/`;
};

export interface Traffic {
  readonly transfers: readonly Transfer[];
  /** Those of the transfers that curl made. */
  readonly curlTransfers: readonly Transfer[];
  readonly datagrams: readonly Datagrams[];
  readonly pings: readonly Pings[];
  readonly figures: Readonly<Record<string, number | string>>;
}

/** On host-b, both families. */
export async function startWebServer(
  network: Network,
  port = HTTP_PORT,
  words: readonly string[] = [],
): Promise<Program> {
  const command = [...own('http-server'), String(port), ...sites.b.host, ...words];
  const server = network.start('host-b', command, 'the web server');
  await server.json();
  return server;
}

/** Programs on both hosts talk to each other, both families; `afterEach` is called when one is done. */
export async function makeTraffic(
  network: Network,
  { mode, transferOctets, datagramCount, pingCount, progress }: BackendOptions,
  afterEach: () => Promise<void>,
): Promise<Traffic> {
  const meeting = meetingOf(mode);
  const transfers: Transfer[] = [];
  const curlTransfers: Transfer[] = [];
  const datagrams: Datagrams[] = [];
  const pings: Pings[] = [];
  const figures: Record<string, number | string> = {};
  const server = await startWebServer(network);
  const hasCurl = find('curl') !== undefined;
  const hasPing = find('ping') !== undefined;
  for (const family of families) {
    for (const direction of ['download', 'upload'] as const) {
      const transfer = await transferOnce(network, meeting, server, family, direction, transferOctets);
      transfers.push(transfer);
      const rate = Math.round((8 * transfer.octets) / transfer.seconds / 1e6);
      figures[`IPv${family} ${direction}, Mbit/s`] = rate;
      progress(`IPv${family} HTTP ${direction}: ${transfer.octets} octets at ${rate} Mbit/s`);
      await afterEach();
    }
    if (hasCurl) {
      curlTransfers.push(await curlOnce(network, meeting, server, family));
      progress(`IPv${family} curl, as the distribution ships it: ${CURL_OCTETS} octets`);
    }
    const series = await sendDatagrams(network, mode, family, datagramCount);
    datagrams.push(series);
    progress(`IPv${family} UDP: ${datagramCount} datagrams, ${series.echoed} came back`);
    if (hasPing) {
      const { medianMs, ...count } = pingOften(network, meeting, family, pingCount);
      pings.push(count);
      figures[`IPv${family} ping median, ms`] = medianMs;
      progress(`IPv${family} ping: ${count.received} of ${count.sent} answered, median ${medianMs} ms`);
    }
    await afterEach();
  }
  if (!hasPing) figures['ping'] = 'not installed (Debian package iputils-ping), left out';
  await server.stop();
  return { transfers: [...transfers, ...curlTransfers], curlTransfers, datagrams, pings, figures };
}

async function transferOnce(
  network: Network,
  meeting: Meeting,
  server: Program,
  family: Family,
  direction: Transfer['direction'],
  octets: number,
): Promise<Transfer> {
  const words = [direction, urlOf(meeting, family), String(octets), String(family)];
  const client = network.start('host-a', [...own('http-client'), ...words], `the IPv${family} ${direction}`);
  const minutes = 5 * 60_000;
  const [served, fetched] = await Promise.all([server.json<Served>(minutes), client.json<Fetched>(minutes)]);
  await client.exited;
  return pair(family, direction, served, fetched);
}

function pair(family: Family, direction: Transfer['direction'], served: Served, fetched: Fetched): Transfer {
  const [sent, received] = direction === 'download' ? [served, fetched] : [fetched, served];
  return {
    family,
    direction,
    octets: received.octets,
    sentSha256: sent.sha256,
    receivedSha256: received.sha256,
    seconds: fetched.seconds,
    client: fetched.client,
    clientSeenByServer: served.client,
  };
}

/** A program that certainly was not written for this. */
async function curlOnce(
  network: Network,
  meeting: Meeting,
  server: Program,
  family: Family,
): Promise<Transfer> {
  const format = '{"address":"%{local_ip}","port":%{local_port},"seconds":%{time_total}}';
  const url = `${urlOf(meeting, family)}?octets=${CURL_OCTETS}&salt=${family}`;
  const program = network.start(
    'host-a',
    [
      'sh',
      '-c',
      `curl --silent --globoff --max-time 20 --write-out '%{stderr}${format}\\n' '${url}' | sha256sum`,
    ],
    'curl',
  );
  const [served, hash] = await Promise.all([
    server.json<Served>(),
    program.line((line) => /^[0-9a-f]{64} /.test(line)),
  ]);
  await program.exited;
  const { address, port, seconds } = JSON.parse(
    program.output.split('\n').find((line) => line.startsWith('{')) ?? '{}',
  ) as { address: string; port: number; seconds: number };
  const fetched = { client: { address, port }, octets: CURL_OCTETS, sha256: hash.slice(0, 64), seconds };
  return pair(family, 'download', served, fetched);
}

async function sendDatagrams(
  network: Network,
  mode: LabMode,
  family: Family,
  count: number,
): Promise<Datagrams> {
  const meeting = meetingOf(mode);
  const largest = LARGEST_DATAGRAM[family] - (mode === 'tcpsec' ? TCP_HEADER_BYTES_MAX : 0);
  const series = [String(count), String(largest)];
  const listening = [sites.b.host[family === 4 ? 0 : 1], String(ECHO_PORT), ...series];
  const sending = [serverOf(meeting, family), String(meeting.echoPort), ...series];
  const server = network.start('host-b', [...own('udp-echo'), ...listening], 'the echo server');
  await server.json();
  const client = network.start('host-a', [...own('udp-client'), ...sending], 'the datagram client');
  const sent = await client.json<Echoed>(60_000);
  const [echoed] = await Promise.all([server.json<Echoed>(), server.stop()]);
  return {
    family,
    sizes: datagramSizes(count, largest),
    received: echoed.intact,
    echoed: sent.intact,
    client: sent.client,
    clientSeenByServer: echoed.client,
  };
}

/** Echo requests that carry the marker behind ping's own time stamp. */
function pingOften(
  network: Network,
  meeting: Meeting,
  family: Family,
  count: number,
): Pings & { readonly medianMs: number } {
  const pattern = Buffer.from(MARKER, 'latin1').toString('hex');
  const words = ['-n', '-c', String(count), '-i', PING_INTERVAL_SECONDS, '-W', '3', '-p', pattern];
  // ping ends with 1 where no answer came: that is a result, not a failure.
  const command = ['sh', '-c', `ping ${words.join(' ')} ${serverOf(meeting, family)} || true`];
  const times = [...network.run('host-a', command).matchAll(/ time=([\d.]+) ms/g)].map(([, time]) =>
    Number(time),
  );
  times.sort((left, right) => left - right);
  return { family, sent: count, received: times.length, medianMs: times[times.length >>> 1] ?? NaN };
}

/** Tries to reach the far host; resolves to the error's code, or `connected`. */
export async function connectOnce(network: Network, meeting: Meeting, family: Family): Promise<string> {
  const client = network.start(
    'host-a',
    [...own('http-client'), 'download', urlOf(meeting, family), '1', '0'],
    'a connection',
  );
  const { error = 'connected' } = await client.json<{ error?: string }>();
  await client.exited;
  return error;
}
