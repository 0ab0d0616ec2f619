import { linkTypes, pcapng } from '@ngisec/wire';
import { captureDigest, type TappedPacket } from '@ngisec/testkit';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { Backend, BackendOptions, Check, Observations } from '../check.ts';
import { writeLabKeyLog } from '../key-log.ts';
import { legs, type Leg } from '../topology.ts';
import { DisclosureWatch } from '../disclosure-watch.ts';
import { isHidden } from '../modes.ts';
import { WireObserver } from '../wire-observer.ts';
import { flipEveryBit, reorderAndDuplicate, replayEverything } from './attacks.ts';
import { MemoryLaboratory } from './laboratory.ts';
import { runDatagrams, runPings, runTransfers } from './traffic.ts';

/** Runs anywhere, without rights, in virtual time; the same seed gives the same octets. */
export const memoryBackend: Backend = { name: 'memory', run };

async function run(options: BackendOptions): Promise<Observations> {
  const { mode, seed, progress } = options;
  progress(`building the network in memory, seed ${seed}`);
  const lab = await MemoryLaboratory.open(mode, seed);
  try {
    const captured = Object.fromEntries(legs.map((leg) => [leg, [] as TappedPacket[]])) as Record<
      Leg,
      TappedPacket[]
    >;
    let isCapturing = true;
    for (const leg of legs) {
      lab.links[leg].tap((octets, direction, timeMs) => {
        if (isCapturing) captured[leg].push({ octets, direction, timeMs });
      });
    }
    progress('TCP transfers both ways, IPv4 and IPv6');
    const transfers = runTransfers(lab, options);
    progress(`${options.datagramCount} UDP datagrams each family`);
    const datagrams = runDatagrams(lab, options);
    progress(`${options.pingCount} pings each family`);
    const pings = runPings(lab, options);
    isCapturing = false;
    const reports = lab.reports();
    const wire = new WireObserver(lab.files.channels);
    for (const leg of legs) for (const { octets } of captured[leg]) wire.observe(leg, octets);
    const watch = new DisclosureWatch(lab.files);
    for (const leg of legs) for (const { octets } of captured[leg]) watch.observe(leg, octets);
    if (options.pcapDirectory !== undefined) {
      writeCaptures(options.pcapDirectory, captured);
      writeLabKeyLog(options.pcapDirectory, lab.files);
    }
    progress('attacks: every bit flipped, replays, reordering');
    const extraChecks = [
      ...(isHidden(mode) ? [watch.check(reports)] : []),
      ...attack(lab, mode),
      afterwards(lab),
    ];
    const digest = createHash('sha256');
    for (const leg of legs) digest.update(captureDigest(captured[leg]));
    return {
      ...{ files: lab.files, transfers, datagrams, pings, wire, reports, extraChecks },
      figures: {
        virtualSeconds: Math.round(lab.network.clock.nowMs() / 100) / 10,
        packetsCaptured: legs.reduce((sum, leg) => sum + captured[leg].length, 0),
        wireSha256: digest.digest('hex'),
      },
    };
  } finally {
    lab.close();
  }
}

function attack(lab: MemoryLaboratory, mode: BackendOptions['mode']): Check[] {
  const flippedOn: readonly Leg[] = mode !== 'lan' ? ['wan', 'lan-b'] : ['lan-b'];
  return [
    ...flippedOn.flatMap((leg) => ([4, 6] as const).map((family) => flipEveryBit(lab, leg, family))),
    ...flippedOn.map((leg) => replayEverything(lab, leg)),
    reorderAndDuplicate(lab),
  ];
}

/** After everything, attacks included: no packet unaccounted for, no stage failed, every buffer back. */
function afterwards(lab: MemoryLaboratory): Check {
  const reports = Object.values(lab.reports());
  const passed = reports.every(
    ({ unaccounted, failures, poolAvailable, poolCapacity }) =>
      unaccounted === 0 && failures.length === 0 && poolAvailable === poolCapacity,
  );
  const detail = reports.map(
    ({ name, unaccounted, failures }) => `${name}: ${unaccounted} unaccounted, ${failures.length} failures`,
  );
  return {
    name: 'after the attacks every packet is accounted for',
    rows: ['F6', 'F30'],
    passed,
    detail: detail.join('; '),
  };
}

function writeCaptures(directory: string, captured: Readonly<Record<Leg, readonly TappedPacket[]>>): void {
  mkdirSync(directory, { recursive: true });
  for (const leg of legs) {
    const blocks = [
      pcapng.sectionHeader('ngisec lab'),
      pcapng.interfaceDescription({ name: leg, linkType: linkTypes.raw }),
    ];
    for (const { octets, timeMs } of captured[leg]) {
      blocks.push(
        pcapng.enhancedPacket({ interfaceId: 0, timeNs: BigInt(Math.round(timeMs * 1e6)), octets }),
      );
    }
    writeFileSync(join(directory, `${leg}.pcapng`), Buffer.concat(blocks));
  }
}
