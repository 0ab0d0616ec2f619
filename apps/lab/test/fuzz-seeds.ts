import { PacketPool } from '@ngisec/core';
import { shim, type OutboundSa, type Sad } from '@ngisec/ipsec';
import { buildEcho, buildTcp, buildUdp, preparePacket } from '@ngisec/testkit';
import { esp, tcp } from '@ngisec/wire';
import { MemoryLaboratory } from '../src/memory/laboratory.ts';
import { runDatagrams, runPings, runTransfers } from '../src/memory/traffic.ts';
import { legs, sites } from '../src/topology.ts';

/** A plaintext of a real run, and the key its sender has for it: mutants of it arrive as an authentic peer's. */
export interface ClearSeed {
  readonly octets: Uint8Array;
  readonly nextHeader: number;
  readonly sa: OutboundSa;
}

const KEPT_A_LEG = 300;

/** Packets of all kinds off every leg of a run in memory. */
export function captureRun(lab: MemoryLaboratory): Uint8Array[] {
  const captured = legs.map((leg) => {
    const packets: Uint8Array[] = [];
    lab.links[leg].tap((octets) => void packets.push(octets));
    return packets;
  });
  const amounts = {
    mode: 'vpn',
    seed: 0,
    transferOctets: 20_000,
    datagramCount: 60,
    pingCount: 3,
    progress: () => undefined,
  } as const;
  runTransfers(lab, amounts);
  runDatagrams(lab, amounts);
  runPings(lab, amounts);
  return captured.flatMap((packets) => {
    const stride = Math.max(1, Math.floor(packets.length / KEPT_A_LEG));
    return packets.filter((_, index) => index % stride === 0);
  });
}

/** What of the captured packets a node with these fresh security associations can open. */
export function openAll(captured: readonly Uint8Array[], sad: Sad, senders: readonly Sad[]): ClearSeed[] {
  const pool = new PacketPool({ packets: 1 });
  const outbound = senders.flatMap(({ channels }) => channels.map((channel) => channel.outbound));
  return captured.flatMap((octets) => {
    const packet = pool.allocateCopy(octets);
    pool.release(packet);
    if (!preparePacket(pool, packet) || shim.findSpi(pool, packet) === shim.NO_SPI) return [];
    const spi = esp.spi(pool.bytes, pool.payload[packet]!);
    const [receiving, sa] = [sad.findInbound(spi), outbound.find((candidate) => candidate.spi === spi)];
    if (receiving === undefined || sa === undefined || shim.open(pool, packet, receiving) !== shim.OPEN_OK)
      return [];
    return [{ octets: pool.octets(packet), nextHeader: pool.nextHeader[packet]!, sa }];
  });
}

/** What a stack sends in the clear: policy sees it first. */
export function stackPackets(): Uint8Array[] {
  const payload = new Uint8Array(64).fill(0x55);
  return [0, 1].flatMap((family) => {
    const ends = { src: sites.a.host[family]!, dst: sites.b.host[family]! };
    return [ends, { src: ends.dst, dst: ends.src }].flatMap((way) => [
      buildTcp({ ...way, sport: 40000, dport: 8080, flags: tcp.SYN, options: Uint8Array.of(2, 4, 5, 180) }),
      buildTcp({ ...way, sport: 8080, dport: 40000, payload }),
      buildUdp({ ...way, sport: 40001, dport: 9000, payload }),
      buildEcho({ ...way, identifier: 3, payload }),
    ]);
  });
}
