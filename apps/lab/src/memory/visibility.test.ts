import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sites } from '../topology.ts';
import { MemoryLaboratory } from './laboratory.ts';
import { runPings } from './traffic.ts';

/** The objects of a file of lines, once there are as many as expected. */
async function linesOf(path: string, count: number): Promise<Record<string, unknown>[]> {
  for (let turn = 0; ; turn += 1) {
    const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
    if (lines.length >= count || turn === 200) {
      return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test('#95 #96 records and alarms go to the files that a gateway’s configuration names', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'ngisec-visibility-'));
  const flows = join(directory, 'flows.jsonl');
  const alarms = join(directory, 'alarms.jsonl');
  const lab = await MemoryLaboratory.open('vpn', 7, {
    gatewayKeys: { monitor: { file: flows }, detect: { file: alarms, raisePerSecond: 1 } },
  });
  try {
    runPings(lab, {
      mode: 'vpn',
      seed: 7,
      transferOctets: 0,
      datagramCount: 0,
      pingCount: 3,
      progress: () => undefined,
    });
    lab.stacks.a.tcp.connect({ address: sites.b.host[0], port: 443 });
    lab.network.run(1000);
    lab.close();
    // Both gateways append to the files: each dates its clock, and has two flows a ping and two of the connection.
    const records = await linesOf(flows, 2 + 2 * 6);
    expect(records.flatMap(({ node }) => (node === undefined ? [] : [node])).sort()).toEqual([
      'gw-a',
      'gw-b',
    ]);
    const pings = records.filter(({ sourceAddress }) => sourceAddress === sites.a.host[1]);
    // Three requests and the announcement before them.
    expect(
      pings.map((r) => [r['flowDirection'], r['protocolIdentifier'], r['packetDeltaCount']]).sort(),
    ).toEqual([
      [0, 58, 4],
      [1, 58, 4],
    ]);
    const raised = (await linesOf(alarms, 2 + 2)).filter(({ event }) => event === 'raised');
    expect(raised.map(({ address, port }) => `${String(address)} ${String(port)}`).sort()).toEqual([
      `${sites.b.host[0]} 443`,
      `${sites.b.wan[0]} 443`,
    ]);
  } finally {
    lab.close();
    rmSync(directory, { recursive: true });
  }
});
