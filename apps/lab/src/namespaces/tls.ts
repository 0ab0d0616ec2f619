import { systemRandom } from '@ngisec/core';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MARKER, type Check, type Observations, type Transfer } from '../check.ts';
import { everyPacketAccountedFor, serverSeesClient, transfersArrive } from '../judge.ts';
import { HTTP_PORT } from '../meeting.ts';
import { makeNodeFiles, TLS_PORT, writeNodeFiles } from '../node-files.ts';
import type { Outcome, RunOptions } from '../scenarios.ts';
import { TlsObserver } from '../tls-observer.ts';
import { gateways, hosts, sites, type NodeName } from '../topology.ts';
import { Capture } from './capture.ts';
import { find, run } from './command.ts';
import { captureCheck, tearDownCheck } from './extra-checks.ts';
import { Interruption } from './interruption.ts';
import { machineState } from './machine-state.ts';
import { Network } from './network.ts';
import { NodeProcess } from './node-process.ts';
import { payloadBlocks } from './payload.ts';
import type { Program } from './program.ts';
import type { Served } from './programs/http-server.ts';
import { startWebServer } from './traffic.ts';

const TRANSFER_OCTETS = 16 * 1024 * 1024;
const FAMILIES = [4, 6] as const;
type Family = (typeof FAMILIES)[number];
const PATIENCE_MS = 120_000;
const REFUSAL_SECONDS = 2;
/** In a URL or behind `-connect`. */
const hostOf = (family: Family): string => (family === 4 ? sites.b.host[0] : `[${sites.b.host[1]}]`);

/** curl and openssl between two private networks; the only processes of ours are the two gateways. Needs root. */
export async function tlsInNamespaces(options: RunOptions): Promise<Outcome> {
  for (const program of ['openssl', 'curl']) {
    if (find(program) === undefined)
      throw new Error(
        `"${program}" is missing: install it (\`apt-get install ${program}\`), or use --memory`,
      );
  }
  const directory = mkdtempSync(join(tmpdir(), 'ngisec-lab-'));
  let network: Network | undefined;
  const close = async (): Promise<void> => {
    await network?.close();
    rmSync(directory, { recursive: true, force: true });
  };
  const interruption = new Interruption(close);
  try {
    options.progress('building five network namespaces and the links between them');
    network = new Network({ routing: 'public' });
    return await new TlsLaboratory(network, directory, options).run();
  } finally {
    await close();
    interruption.release();
  }
}

/** One run of the scenario in a network that stands. */
class TlsLaboratory {
  readonly #network: Network;
  readonly #directory: string;
  readonly #options: RunOptions;

  constructor(network: Network, directory: string, options: RunOptions) {
    this.#network = network;
    this.#directory = directory;
    this.#options = options;
  }

  async run(): Promise<Outcome> {
    const { machine, pcapDirectory, progress } = this.#options;
    const files = makeNodeFiles('tls', systemRandom, machine);
    writeNodeFiles(this.#directory, files);
    const before = new Map([...gateways, ...hosts].map((name) => [name, machineState(this.#network, name)]));
    const nodes = new Map<NodeName, NodeProcess>(
      gateways.map((name) => [name, new NodeProcess(this.#network, name, this.#directory)]),
    );
    for (const node of nodes.values()) progress(await node.ready());
    const observer = new TlsObserver(files.channels);
    const capture = new Capture(this.#network, observer, pcapDirectory);
    this.#makeCertificate();
    const transfers = await this.#transfers();
    const checks: Check[] = [
      transfersArrive({ transfers }),
      serverSeesClient('tls', { transfers, datagrams: [] }),
      await this.#openssl('openssl s_client and s_server talk TLS 1.3', ['#9', '#86'], '-tls1_3'),
      await this.#openssl('openssl s_client and s_server talk DTLS 1.2', ['#88'], '-dtls1_2'),
    ];
    await capture.settle();
    const reports: Partial<Record<NodeName, Awaited<ReturnType<NodeProcess['report']>>>> = {};
    for (const [name, node] of nodes) reports[name] = await node.report();
    checks.push(...observer.checks(reports), observer.secrecyCheck());
    checks.push(await this.#otherTraffic(observer, capture));
    const lost = await capture.close();
    checks.push(
      captureCheck(lost, capture.packets),
      everyPacketAccountedFor({ reports: reports as Observations['reports'] }),
      await tearDownCheck(this.#network, nodes, before),
    );
    const figures = Object.fromEntries(
      transfers.map(({ family, direction, octets, seconds }) => [
        `IPv${family} ${direction}, Mbit/s`,
        Math.round((8 * octets) / seconds / 1e6),
      ]),
    );
    return { checks, figures: { ...figures, 'packets captured on three legs': capture.packets } };
  }

  #file(name: string): string {
    return join(this.#directory, name);
  }

  /** Good for this run alone; the clients do not ask who signed it. */
  #makeCertificate(): void {
    run([
      ...['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'],
      ...[
        '-days',
        '1',
        '-subj',
        '/CN=host-b',
        '-keyout',
        this.#file('tls.key'),
        '-out',
        this.#file('tls.pem'),
      ],
    ]);
  }

  async #transfers(): Promise<Transfer[]> {
    const files = ['--key', this.#file('tls.key'), '--certificate', this.#file('tls.pem')];
    const server = await startWebServer(this.#network, TLS_PORT, files);
    const transfers: Transfer[] = [];
    for (const family of FAMILIES) {
      for (const direction of ['download', 'upload'] as const) {
        const transfer = await this.#curl(server, family, direction);
        transfers.push(transfer);
        this.#options.progress(`IPv${family} curl ${direction} over TLS: ${transfer.octets} octets`);
      }
    }
    await server.stop();
    return transfers;
  }

  async #curl(server: Program, family: Family, direction: Transfer['direction']): Promise<Transfer> {
    const url = `https://${hostOf(family)}:${TLS_PORT}/?octets=${TRANSFER_OCTETS}&salt=${family}`;
    const format = '{"address":"%{local_ip}","port":%{local_port},"seconds":%{time_total}}\\n';
    const upload = this.#file(`upload-${family}`);
    const sent = createHash('sha256');
    if (direction === 'upload') {
      const blocks = [...payloadBlocks(TRANSFER_OCTETS, family)];
      for (const block of blocks) sent.update(block);
      writeFileSync(upload, Buffer.concat(blocks));
    }
    const words = `curl --silent --insecure --globoff --tlsv1.3 --max-time 100 --write-out '%{stderr}${format}' '${url}'`;
    const script = direction === 'upload' ? `${words} -T ${upload}; echo done` : `${words} | sha256sum`;
    const client = this.#network.start('host-a', ['sh', '-c', script], 'curl');
    const [served] = await Promise.all([server.json<Served>(PATIENCE_MS), client.exited]);
    const lines = client.output.split('\n');
    const { address, port, seconds } = JSON.parse(lines.find((line) => line.startsWith('{')) ?? '{}') as {
      address: string;
      port: number;
      seconds: number;
    };
    const received = lines.find((line) => /^[0-9a-f]{64} /.test(line))?.slice(0, 64) ?? 'nothing arrived';
    const [sentSha256, receivedSha256] =
      direction === 'upload' ? [sent.digest('hex'), served.sha256] : [served.sha256, received];
    return {
      ...{ family, direction, octets: served.octets, sentSha256, receivedSha256, seconds },
      client: { address, port },
      clientSeenByServer: served.client,
    };
  }

  /** openssl's own server and client, one line each way. */
  async #openssl(name: string, rows: readonly string[], version: string): Promise<Check> {
    const lost: string[] = [];
    for (const family of FAMILIES) {
      const at = `${hostOf(family)}:${TLS_PORT}`;
      const identity = `-cert ${this.#file('tls.pem')} -key ${this.#file('tls.key')}`;
      const [question, answer] = [`${MARKER} of the client`, `${MARKER} of the server`];
      const server = this.#network.start('host-b', [
        ...['sh', '-c'],
        `(sleep 1; echo '${answer}'; sleep 2) | openssl s_server ${version} -naccept 1 -accept ${at} ${identity}`,
      ]);
      await server.line((line) => line.includes('ACCEPT'));
      const client = this.#network.start('host-a', [
        ...['sh', '-c'],
        `(sleep 0.5; echo '${question}'; sleep 1) | timeout 10 openssl s_client ${version} -connect ${at}`,
      ]);
      await Promise.all([client.exited, server.exited]);
      if (!server.output.includes(question)) lost.push(`IPv${family} server: ${server.output.slice(-300)}`);
      if (!client.output.includes(answer)) lost.push(`IPv${family} client: ${client.output.slice(-300)}`);
    }
    const passed = lost.length === 0;
    return { name, rows, passed, detail: passed ? 'IPv4 and IPv6: a line each way' : lost.join('; ') };
  }

  /** A web server listens on a port that no rule names, and cannot be reached. */
  async #otherTraffic(observer: TlsObserver, capture: Capture): Promise<Check> {
    const server = await startWebServer(this.#network);
    const codes: string[] = [];
    for (const family of FAMILIES) {
      const url = `http://${hostOf(family)}:${HTTP_PORT}/`;
      const client = this.#network.start(
        'host-a',
        ['curl', '--silent', '--globoff', '--max-time', String(REFUSAL_SECONDS), url],
        'curl',
      );
      codes.push(String((await client.exited).code));
    }
    await server.stop();
    await capture.settle();
    const [sent, onWan, arrived] = (['lan-a', 'wan', 'lan-b'] as const).map(
      (leg) => observer.views[leg].otherPorts,
    );
    return {
      name: 'traffic that no tls rule names does not pass',
      rows: ['#86', '#104'],
      passed: codes.every((code) => code === '28') && sent! > 0 && onWan === 0 && arrived === 0,
      detail: `curl ends with ${codes.join(' and ')} (28: timed out); packets on the legs: ${sent}, ${onWan}, ${arrived}`,
    };
  }
}
