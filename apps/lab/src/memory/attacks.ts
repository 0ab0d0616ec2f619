import { esp, ip, ipv4, ipv6, tcp } from '@ngisec/wire';
import { markedPayload, type Check } from '../check.ts';
import type { Leg } from '../topology.ts';
import type { MemoryLaboratory } from './laboratory.ts';
import { startTransfer } from './traffic.ts';

const TRANSFER_OCTETS = 40_000;
/** Large enough to carry data, whatever the family. */
const DATA_PACKET_OCTETS = 300;
/** More than a packet's way through the whole laboratory. */
const SETTLE_MS = 50;
/** Packets injected before they are given time to arrive: below the devices' queues. */
const PORTION = 500;
const SALT = 77;

interface CaughtPacket {
  readonly octets: Uint8Array;
  readonly transport: number;
}

/** Takes the first large data packet host A sends off the leg, and keeps everything else off it from then on. */
function catchDataPacket(lab: MemoryLaboratory, leg: Leg, family: 4 | 6): CaughtPacket {
  const dataSpis = new Set(lab.files.channels.flatMap(({ role, spis }) => (role === 'control' ? [] : spis)));
  let caught: CaughtPacket | undefined;
  lab.links[leg].interceptor = (octets, direction) => {
    // A forgery whose destination became the sender's own gateway comes back here; it has to be counted there.
    if (caught !== undefined)
      return octets.length === caught.octets.length && direction === 'b2a' ? octets : undefined;
    if (direction !== 'a2b' || octets.length < DATA_PACKET_OCTETS || octets[0]! >>> 4 !== family)
      return octets;
    const transport = family === 4 ? ipv4.headerBytes(octets, 0) : ipv6.HEADER_BYTES;
    if (!dataSpis.has(esp.spi(octets, transport + tcp.headerBytes(octets, transport)))) return octets;
    caught = { octets: octets.slice(), transport };
    return undefined;
  };
  if (!lab.network.runUntil(() => caught !== undefined, 60_000))
    throw new Error(`no data packet came over ${leg}`);
  lab.network.run(SETTLE_MS);
  return caught!;
}

/** Drops since `before`, by node, stage and reason. */
function dropsSince(
  lab: MemoryLaboratory,
  before: ReadonlyMap<string, number>,
): { total: number; replayed: number; text: string } {
  const changed = [...lab.drops()].map(([key, count]) => [key, count - (before.get(key) ?? 0)] as const);
  const grown = changed.filter(([, count]) => count > 0);
  const sum = (counts: typeof grown): number => counts.reduce((total, [, count]) => total + count, 0);
  return {
    total: sum(grown),
    replayed: sum(grown.filter(([key]) => key.endsWith(' replayed'))),
    text: grown.map(([key, count]) => `${key} ${count}`).join(', '),
  };
}

/**
 * Positions of the bits the ICV answers for: addresses, transport header, shim, payload; not what routers
 * may change.
 */
function* coveredBits({ octets, transport }: CaughtPacket, family: 4 | 6): Generator<number> {
  const addresses = ip.sourceOffset(family);
  const addressesEnd = addresses + 2 * ip.addressBytes(family);
  for (let octet = addresses; octet < octets.length; octet += 1) {
    if (octet >= addressesEnd && octet < transport) continue;
    for (let bit = 0; bit < 8; bit += 1) yield 8 * octet + bit;
  }
}

function repairChecksums(octets: Uint8Array, family: 4 | 6, transport: number): void {
  if (family === 4) ipv4.completeChecksum(octets, 0);
  ip.completeTransportChecksum(octets, 0, transport, octets.length, family, ip.TCP);
}

/** Injects packets in portions the queues can take; returns how many. */
function injectAll(lab: MemoryLaboratory, leg: Leg, forged: Iterable<Uint8Array>): number {
  let injected = 0;
  for (const octets of forged) {
    lab.links[leg].inject(octets, 'a2b');
    injected += 1;
    if (injected % PORTION === 0) lab.network.run(SETTLE_MS);
  }
  lab.network.run(SETTLE_MS);
  return injected;
}

/**
 * Each packet with one bit flipped: as a line fault leaves it, and with the checksums made right, as an
 * attacker would.
 */
function* flipped(caught: CaughtPacket, family: 4 | 6): Generator<Uint8Array> {
  for (const position of coveredBits(caught, family)) {
    const damaged = caught.octets.slice();
    damaged[position >>> 3]! ^= 0x80 >>> (position & 7);
    const forged = damaged.slice();
    repairChecksums(forged, family, caught.transport);
    yield damaged;
    // A flipped checksum bit made right again is the packet itself.
    if (Buffer.compare(forged, caught.octets) !== 0) yield forged;
  }
}

/** Flips every single bit of a data packet in flight; the untouched packet follows and must still be accepted. */
export function flipEveryBit(lab: MemoryLaboratory, leg: Leg, family: 4 | 6): Check {
  const { delivered } = lab.stacks.b;
  const transfer = startTransfer(lab, family, 'upload', markedPayload(TRANSFER_OCTETS, SALT));
  const caught = catchDataPacket(lab, leg, family);
  const dropsBefore = lab.drops();
  const deliveredBefore = delivered.tcp;
  const injected = injectAll(lab, leg, flipped(caught, family));
  const dropped = dropsSince(lab, dropsBefore);
  const deliveredForged = delivered.tcp - deliveredBefore;
  lab.links[leg].inject(caught.octets, 'a2b');
  lab.network.run(SETTLE_MS);
  const isOriginalAccepted = delivered.tcp === deliveredBefore + deliveredForged + 1;
  lab.links[leg].interceptor = undefined;
  const { sentSha256, receivedSha256 } = transfer.finish();
  const isIntact = sentSha256 === receivedSha256;
  return {
    name: `IPv${family}, ${leg}: any flipped bit of a data packet: dropped, counted, the connection survives`,
    rows: ['#85', '#90', '#91', '#104'],
    passed: isIntact && isOriginalAccepted && deliveredForged === 0 && dropped.total === injected,
    detail:
      `${injected} forged: ${deliveredForged} delivered, ${dropped.total} dropped (${dropped.text}); ` +
      `the original ${isOriginalAccepted ? 'accepted' : 'refused'}, the transfer ${isIntact ? 'intact' : 'broken'}`,
  };
}

/** Sends every packet of a transfer a second time, later. */
export function replayEverything(lab: MemoryLaboratory, leg: Leg): Check {
  const recorded: Uint8Array[] = [];
  let isRecording = true;
  lab.links[leg].tap((octets, direction) => {
    if (isRecording && direction === 'a2b') recorded.push(octets);
  });
  startTransfer(lab, 4, 'upload', markedPayload(TRANSFER_OCTETS, SALT)).finish();
  isRecording = false;
  const dropsBefore = lab.drops();
  const deliveredBefore = lab.stacks.b.delivered.tcp;
  injectAll(lab, leg, recorded);
  const dropped = dropsSince(lab, dropsBefore);
  const delivered = lab.stacks.b.delivered.tcp - deliveredBefore;
  return {
    name: `${leg}: replayed packets are refused`,
    rows: ['#97'],
    passed:
      recorded.length > 0 &&
      delivered === 0 &&
      dropped.replayed === recorded.length &&
      dropped.total === dropped.replayed,
    detail: `${recorded.length} replayed: ${delivered} delivered, ${dropped.total} dropped (${dropped.text})`,
  };
}

/** A path that reorders and duplicates: the window takes late packets and refuses second copies, no more. */
export function reorderAndDuplicate(lab: MemoryLaboratory): Check {
  const { wan } = lab.links;
  const faults = { loss: 0, duplicate: 0.1, reorder: 0.2, reorderDelayMs: 20, corrupt: 0 };
  const [before, calm] = [lab.drops(), { a2b: wan.a2b.faults, b2a: wan.b2a.faults }];
  const counts = (): { duplicated: number; reordered: number } => ({
    duplicated: wan.a2b.counters.duplicated + wan.b2a.counters.duplicated,
    reordered: wan.a2b.counters.reordered + wan.b2a.counters.reordered,
  });
  const countsBefore = counts();
  wan.a2b.faults = faults;
  wan.b2a.faults = faults;
  const { sentSha256, receivedSha256 } = startTransfer(
    lab,
    6,
    'upload',
    markedPayload(10 * TRANSFER_OCTETS, SALT),
  ).finish();
  lab.network.run(1000);
  wan.a2b.faults = calm.a2b;
  wan.b2a.faults = calm.b2a;
  const duplicated = counts().duplicated - countsBefore.duplicated;
  const reordered = counts().reordered - countsBefore.reordered;
  const dropped = dropsSince(lab, before);
  const isIntact = sentSha256 === receivedSha256;
  return {
    name: 'reordered packets are taken, duplicated ones refused once each (RFC 4303 window)',
    rows: ['#97', '#103'],
    passed:
      isIntact &&
      duplicated > 0 &&
      reordered > 0 &&
      dropped.replayed === duplicated &&
      dropped.total === duplicated,
    detail: `${reordered} reordered, ${duplicated} duplicated: ${dropped.total} dropped (${dropped.text}), transfer ${isIntact ? 'intact' : 'broken'}`,
  };
}
