import { createHash } from 'node:crypto';
import { buildTcp } from '@ngisec/testkit';
import { tcp } from '@ngisec/wire';
import { datagramSizes, markedPayload, type Check, type Datagrams } from '../check.ts';
import { everyPacketAccountedFor, serverSeesClient, transfersArrive } from '../judge.ts';
import { TLS_PORT } from '../node-files.ts';
import type { Outcome, RunOptions } from '../scenarios.ts';
import { TlsObserver } from '../tls-observer.ts';
import { gateways, legs, sites, type NodeName } from '../topology.ts';
import { MemoryLaboratory } from './laboratory.ts';
import { startTransfer } from './traffic.ts';

const FAMILIES = [4, 6] as const;
const OTHER_PORT = 8080;
const SETTLE_MS = 2000;
const RECOVERY_LIMIT_MS = 20_000;
const QUIC_INITIAL_OCTETS = 1200;

/** Datagrams as QUIC sends them: the first is large, none is too long for the path. */
function runDatagrams(lab: MemoryLaboratory, count: number): Datagrams[] {
  const { a, b } = lab.stacks;
  return FAMILIES.map((family, index) => {
    const server = b.udp.bind(TLS_PORT);
    const client = a.udp.bind();
    const sizes = [QUIC_INITIAL_OCTETS, ...datagramSizes(count - 1, QUIC_INITIAL_OCTETS + 200)];
    let [received, echoed] = [0, 0];
    let seen = { address: '', port: 0 };
    server.onDatagram = (payload, from) => {
      seen = from;
      received += 1;
      server.sendTo(from.address, from.port, payload);
    };
    client.onDatagram = () => void (echoed += 1);
    sizes.forEach((size, at) => {
      lab.network.clock.schedule(10 * at, () =>
        client.sendTo(sites.b.host[index]!, TLS_PORT, markedPayload(size, at % 1000)),
      );
    });
    lab.network.run(10 * count + SETTLE_MS);
    server.close();
    client.close();
    const own = { address: sites.a.host[index]!, port: client.port };
    return { family, sizes, received, echoed, client: own, clientSeenByServer: seen };
  });
}

function datagramsReturn(datagrams: readonly Datagrams[]): Check {
  return {
    name: 'UDP datagrams arrive and come back, as QUIC and DTLS send them',
    rows: ['#88'],
    passed: datagrams.every(
      ({ sizes, received, echoed }) => received === sizes.length && echoed === received,
    ),
    detail: datagrams
      .map(
        ({ family, sizes, received, echoed }) =>
          `IPv${family}: ${sizes.length} sent, ${received} arrived, ${echoed} back`,
      )
      .join('; '),
  };
}

const dropsOf = (lab: MemoryLaboratory): number =>
  [...lab.drops()].reduce((sum, [key, count]) => sum + (/^(gw-|inet)/.test(key) ? count : 0), 0);

/** What no rule names stays where it is, whichever side sends it. */
function otherTraffic(lab: MemoryLaboratory, observer: TlsObserver): Check {
  const { a, b } = lab.stacks;
  const dropsBefore = dropsOf(lab);
  let [sent, delivered] = [0, 0];
  a.onEmit = () => void (sent += 1);
  b.onReceive = () => void (delivered += 1);
  b.tcp.listen(OTHER_PORT, () => undefined);
  for (const address of sites.b.host) {
    a.tcp.connect({ address, port: OTHER_PORT }).onReset = () => undefined;
    a.udp.bind().sendTo(address, OTHER_PORT, markedPayload(61, 1));
  }
  lab.network.run(SETTLE_MS);
  const dropped = dropsOf(lab) - dropsBefore;
  a.onEmit = () => undefined;
  b.onReceive = () => undefined;
  const escaped = observer.views.wan.privateAddresses + observer.views['lan-b'].otherPorts;
  return {
    name: 'traffic that no tls rule names does not pass',
    rows: ['#86', '#104'],
    passed: sent > 0 && delivered === 0 && dropped === sent && escaped === 0,
    detail: `${sent} packets to port ${OTHER_PORT}: ${delivered} arrived, ${dropped} dropped and counted`,
  };
}

/** A gateway forgets everything in the middle of live flows. */
function heal(lab: MemoryLaboratory, gateway: NodeName): Check {
  const { a, b } = lab.stacks;
  const updates = (): number =>
    gateways.reduce((sum, name) => sum + (lab.reports()[name]?.stages['nat']?.counters['updates'] ?? 0), 0);
  const unlisten = b.tcp.listen(TLS_PORT, (connection) => {
    connection.onData = (octets) => connection.write(octets.slice());
  });
  let isBroken = false;
  const answers = [0, 0];
  const flows = sites.b.host.map((address, index) => {
    const connection = a.tcp.connect({ address, port: TLS_PORT });
    connection.onData = () => void (answers[index]! += 1);
    connection.onReset = () => void (isBroken = true);
    connection.write(markedPayload(100, index));
    return connection;
  });
  lab.network.run(SETTLE_MS);
  const [before, updatesBefore] = [[...answers], updates()];
  lab.bindings.get(gateway)!.clear();
  for (const connection of flows) connection.write(markedPayload(100, 7));
  lab.network.runUntil(() => answers.every((count, index) => count > before[index]!), RECOVERY_LIMIT_MS);
  const resumed = answers.filter((count, index) => count > before[index]!).length;
  for (const connection of flows) connection.close();
  lab.network.run(SETTLE_MS);
  unlisten();
  const made = updates() - updatesBefore;
  return {
    name: `${gateway} forgets all mappings: tls flows go on, with one update a flow`,
    rows: ['#42', '#68', '#86'],
    passed:
      !isBroken && before.every((count) => count > 0) && resumed === flows.length && made === flows.length,
    detail: `${flows.length} flows, ${resumed} went on, ${made} updates`,
  };
}

/** Nobody without the gateways' keys makes a flow: a SYN in the clear, and a recorded sealed one, end at gateway B. */
function forge(lab: MemoryLaboratory): Check {
  const { wan } = lab.links;
  const { b } = lab.stacks;
  const recorded: Uint8Array[] = [];
  wan.tap((octets, direction) => {
    if (direction === 'a2b' && recorded.length === 0) recorded.push(octets);
  });
  startTransfer(lab, 4, 'upload', markedPayload(1000, 3), TLS_PORT).finish();
  const [bindings, dropsBefore] = [lab.bindings.get('gw-b')!.size, dropsOf(lab)];
  let delivered = 0;
  b.onReceive = () => void (delivered += 1);
  const syn = buildTcp({
    ...{ src: sites.a.wan[0], dst: sites.b.wan[0], sport: 50_000, dport: TLS_PORT },
    flags: tcp.SYN,
  });
  const forged = [syn, ...recorded];
  for (const octets of forged) wan.inject(octets, 'a2b');
  lab.network.run(SETTLE_MS);
  b.onReceive = () => undefined;
  const dropped = dropsOf(lab) - dropsBefore;
  const made = lab.bindings.get('gw-b')!.size - bindings;
  return {
    name: 'an unsealed SYN and a replayed sealed one: nothing delivered, no binding, each counted',
    rows: ['#86', '#92', '#97'],
    passed: forged.length === 2 && delivered === 0 && made === 0 && dropped === forged.length,
    detail: `${forged.length} injected: ${delivered} delivered, ${made} bindings, ${dropped} dropped`,
  };
}

/** Scripted stacks without any node of ours, two gateways between them. */
export async function tlsInMemory(options: RunOptions): Promise<Outcome> {
  const { seed, progress, transferOctets } = options;
  progress(`building the network in memory, seed ${seed}`);
  const lab = await MemoryLaboratory.open('tls', seed);
  try {
    const observer = new TlsObserver(lab.files.channels);
    let isCapturing = true;
    const digest = createHash('sha256');
    for (const leg of legs) {
      lab.links[leg].tap((octets) => {
        digest.update(octets);
        if (isCapturing) observer.observe(leg, octets);
      });
    }
    progress('transfers both ways and datagrams, IPv4 and IPv6');
    const transfers = FAMILIES.flatMap((family, index) =>
      (['download', 'upload'] as const).map((direction, turn) =>
        startTransfer(
          lab,
          family,
          direction,
          markedPayload(transferOctets, 2 * index + turn),
          TLS_PORT,
        ).finish(),
      ),
    );
    const datagrams = runDatagrams(lab, options.datagramCount);
    const reports = lab.reports();
    const seen = observer.checks(reports);
    const readable = observer.views.wan.markers;
    const other = otherTraffic(lab, observer);
    isCapturing = false;
    progress('gateways forget; forgeries');
    const checks = [
      transfersArrive({ transfers }),
      datagramsReturn(datagrams),
      serverSeesClient('tls', { transfers, datagrams }),
      ...seen,
      {
        name: 'gateways add no secrecy: what an application does not encrypt itself is readable on the WAN',
        rows: ['#86'],
        passed: readable > 0,
        detail: `${readable} packets with a run of plaintext, for the scripted stacks speak no TLS`,
      },
      other,
      ...gateways.map((name) => heal(lab, name)),
      forge(lab),
      everyPacketAccountedFor({ reports: lab.reports() }),
    ];
    const virtualSeconds = Math.round(lab.network.clock.nowMs() / 100) / 10;
    return { checks, figures: { virtualSeconds, wireSha256: digest.digest('hex') } };
  } finally {
    lab.close();
  }
}
