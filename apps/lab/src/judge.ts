import type { Check, Observations } from './check.ts';
import { ECHO_PORT, HTTP_PORT, meetingOf } from './meeting.ts';
import { hasGateways, type LabMode } from './modes.ts';
import { gateways, type NodeName } from './topology.ts';

const each = <T>(items: readonly T[], describe: (item: T) => string): string =>
  items.map(describe).join('; ');

/** What a run has to have shown, mode by mode. */
export function judge(mode: LabMode, seen: Observations): Check[] {
  const checks = [
    transfersArrive(seen),
    datagramsArrive(seen),
    pingsReturn(seen),
    serverSeesClient(mode, seen),
    ...seen.wire.checks({
      hasControlChannels: hasGateways(mode),
      // Each goes out and comes back.
      datagramSizes: seen.datagrams.flatMap(({ sizes }) => [...sizes, ...sizes]),
      serverPorts: [HTTP_PORT, ECHO_PORT],
    }),
    everyPacketAccountedFor(seen),
  ];
  return hasGateways(mode)
    ? [...checks, ...gatewayChecks(seen), ...seen.extraChecks]
    : [...checks, ...seen.extraChecks];
}

export function transfersArrive({ transfers }: Pick<Observations, 'transfers'>): Check {
  const passed =
    transfers.length > 0 &&
    transfers.every(({ sentSha256, receivedSha256 }) => sentSha256 === receivedSha256);
  const detail = each(transfers, ({ family, direction, octets, sentSha256, receivedSha256 }) => {
    const verdict =
      sentSha256 === receivedSha256 ? `SHA-256 ${sentSha256.slice(0, 12)} on both sides` : 'DIFFERENT';
    return `IPv${family} ${direction} ${octets} octets, ${verdict}`;
  });
  return { name: 'HTTP transfers arrive unchanged, both ways', rows: ['#1', '#2', '#12'], passed, detail };
}

function datagramsArrive({ datagrams }: Observations): Check {
  const passed = datagrams.every(
    ({ sizes, received, echoed }) => received === sizes.length && echoed === sizes.length,
  );
  const detail = each(
    datagrams,
    ({ family, sizes, received, echoed }) =>
      `IPv${family}: ${sizes.length} sent, ${received} arrived, ${echoed} came back`,
  );
  return {
    name: 'UDP datagrams of every size arrive and come back',
    rows: ['#1', '#2', '#27'],
    passed,
    detail,
  };
}

function pingsReturn({ pings }: Observations): Check {
  const passed = pings.every(({ sent, received }) => sent === received);
  const detail = each(
    pings,
    ({ family, sent, received }) => `IPv${family}: ${sent} sent, ${received} answered`,
  );
  return { name: 'pings are answered', rows: ['#3', '#113'], passed, detail };
}

export function serverSeesClient(
  mode: LabMode,
  { transfers, datagrams }: Pick<Observations, 'transfers' | 'datagrams'>,
): Check {
  const { clients, keepsPorts } = meetingOf(mode);
  const sockets = [...transfers, ...datagrams];
  const passed = sockets.every(
    ({ family, client, clientSeenByServer: view }) =>
      view.address === clients[family === 4 ? 0 : 1] &&
      (!keepsPorts || (view.address === client.address && view.port === client.port)),
  );
  const detail = each(
    sockets.slice(0, 2),
    ({ client, clientSeenByServer: view }) =>
      `client ${client.address} port ${client.port}, server sees ${view.address} port ${view.port}`,
  );
  return keepsPorts
    ? { name: 'the server sees the client’s own address and port', rows: ['#52'], passed, detail }
    : { name: 'the server sees the public address before the client', rows: ['#71', '#82'], passed, detail };
}

export function everyPacketAccountedFor({ reports }: Pick<Observations, 'reports'>): Check {
  const nodes = Object.values(reports);
  const passed =
    nodes.length > 0 &&
    nodes.every(
      ({ unaccounted, failures, poolAvailable, poolCapacity }) =>
        unaccounted === 0 && failures.length === 0 && poolAvailable === poolCapacity,
    );
  const detail = each(nodes, ({ name, unaccounted, failures, poolAvailable, poolCapacity }) => {
    return `${name}: ${unaccounted} unaccounted, ${failures.length} failures, ${poolCapacity - poolAvailable} buffers out`;
  });
  return {
    name: 'received = emitted + dropped + held, at every stage of every node',
    rows: ['F6', 'F26', 'F30'],
    passed,
    detail,
  };
}

/** AEAD operations of a node's stages that seal or open. */
export function operations(seen: Pick<Observations, 'reports'>, node: NodeName): number {
  const stages = Object.values(seen.reports[node]?.stages ?? {});
  return stages.reduce((sum, { counters }) => sum + (counters['operations'] ?? 0), 0);
}

function gatewayChecks(seen: Observations): Check[] {
  const { counts, dataPackets } = seen.wire;
  const flows = seen.transfers.length + seen.datagrams.length + seen.pings.length;
  const lanLeg = { 'gw-a': 'lan-a', 'gw-b': 'lan-b' } as const;
  const rows = gateways.map((name) => {
    const { stages = {}, channels = [] } = seen.reports[name] ?? {};
    return {
      name,
      channels,
      operations: operations(seen, name),
      // Each control packet that crosses a gateway is opened once and sealed once.
      controlSeen: counts[lanLeg[name]].control + counts.wan.control,
      bindings: (stages['nat']?.counters['created'] ?? 0) + (stages['reverse-nat']?.counters['created'] ?? 0),
      duplicated: stages['duplicate']?.counters['duplicated'] ?? 0,
      data: (stages['nat']?.emitted['data'] ?? 0) + (stages['reverse-nat']?.emitted['data'] ?? 0),
    };
  });
  return [
    {
      name: 'gateways do no AEAD operation on data packets',
      rows: ['#11', '#32', '#60', '#74'],
      passed: rows.every((gateway) => gateway.data > 0 && gateway.operations === gateway.controlSeen),
      detail: each(
        rows,
        (gateway) =>
          `${gateway.name}: ${gateway.data} data packets, ${gateway.operations} operations for ${gateway.controlSeen} control packets seen`,
      ),
    },
    {
      name: 'gateways hold control channels only',
      rows: ['#32', '#43', '#44'],
      passed: rows.every(
        ({ channels }) => channels.length === 2 && channels.every((name) => /^(gw|host)-/.test(name)),
      ),
      detail: each(rows, ({ name, channels }) => `${name}: ${channels.join(', ')}`),
    },
    {
      name: 'one binding a flow',
      rows: ['#42', '#54'],
      passed: flows > 0 && rows.every(({ bindings }) => bindings === flows),
      detail: `${flows} flows; ${each(rows, ({ name, bindings }) => `${name} made ${bindings} bindings`)}`,
    },
    {
      name: 'duplicates on control packets only',
      rows: ['#42', '#55', '#59'],
      passed:
        rows.every(({ duplicated }) => duplicated > 0) &&
        rows.reduce((sum, { duplicated }) => sum + duplicated, 0) === counts.wan.control,
      detail: `${each(rows, ({ name, duplicated }) => `${name} duplicated ${duplicated}`)}; ${counts.wan.control} control and ${dataPackets} data packets on the WAN`,
    },
  ];
}
