import { PacketPool } from '@ngisec/core';
import { chooseProvider, Sad, shim, type Scope, type SuiteName } from '@ngisec/ipsec';
import type { NodeReport } from '@ngisec/runtime';
import { preparePacket } from '@ngisec/testkit';
import { ip, parseAddress } from '@ngisec/wire';
import type { Check } from './check.ts';
import type { NodeFiles } from './node-files.ts';
import { sites, type Leg, type NodeName } from './topology.ts';

interface KeyEntry {
  readonly name: string;
  readonly role: 'control' | 'data' | 'both';
  readonly scope: Scope;
  readonly suite: SuiteName;
  readonly inbound: { readonly spi: number; readonly key: string };
}

const privateAddresses = (...names: (keyof typeof sites)[]): Buffer[] =>
  names.flatMap((name) =>
    [...sites[name].host, ...sites[name].lan].map((text) => Buffer.from(parseAddress(text)!)),
  );

/** Whose private addresses nobody may come across there. */
const hidden: Record<Leg, readonly Buffer[]> = {
  'lan-a': privateAddresses('b'),
  wan: privateAddresses('a', 'b'),
  'lan-b': privateAddresses('a'),
};

/** Which nodes are on the other side of which addresses. */
const strangers: Partial<Record<NodeName, keyof typeof sites>> = {
  'host-a': 'b',
  'gw-a': 'b',
  'host-b': 'a',
  'gw-b': 'a',
};

/**
 * Looks for private addresses of the other side wherever somebody there could read them: in the readable headers, and
 * with everybody's control keys in what control packets carry (#71).
 */
export class DisclosureWatch {
  readonly #sad = new Sad(chooseProvider().provider);
  readonly #pool = new PacketPool({ packets: 1 });
  readonly #opened: Record<Leg, number> = { 'lan-a': 0, wan: 0, 'lan-b': 0 };
  readonly #found: string[] = [];
  #packets = 0;

  constructor({ nodes }: NodeFiles) {
    for (const { keys } of Object.values(nodes)) {
      for (const { name, role, scope, suite, inbound } of keys.channels as KeyEntry[]) {
        if (role !== 'control') continue;
        const sa = {
          spi: inbound.spi,
          suite,
          scope,
          keyMaterial: new Uint8Array(Buffer.from(inbound.key, 'hex')),
        };
        this.#sad.add({ name, role, peers: [], inbound: sa, outbound: sa });
      }
    }
  }

  /** Takes in one packet of a leg. What goes over several legs as it is gets opened on the first. */
  observe(leg: Leg, octets: Uint8Array): void {
    const pool = this.#pool;
    const packet = pool.allocateCopy(octets);
    if (packet < 0) return;
    if (preparePacket(pool, packet)) {
      this.#packets += 1;
      const family = pool.family[packet]!;
      const source = pool.start[packet]! + ip.sourceOffset(family);
      const width = ip.addressBytes(family);
      this.#look(leg, pool.bytes.subarray(source, source + width), 'source');
      this.#look(leg, pool.bytes.subarray(source + width, source + 2 * width), 'destination');
      this.#open(leg, packet);
    }
    pool.release(packet);
  }

  #open(leg: Leg, packet: number): void {
    const pool = this.#pool;
    const sa = this.#sad.findInbound(shim.findSpi(pool, packet));
    if (sa === undefined || shim.open(pool, packet, sa) !== shim.OPEN_OK) return;
    this.#opened[leg] += 1;
    this.#look(leg, pool.bytes.subarray(pool.payload[packet], pool.end[packet]), 'inside a control packet');
  }

  #look(leg: Leg, octets: Uint8Array, where: string): void {
    const text = Buffer.from(octets.buffer, octets.byteOffset, octets.length);
    const address = hidden[leg].find((candidate) => text.includes(candidate));
    if (address !== undefined) this.#found.push(`${leg}, ${where}: ${address.toString('hex')}`);
  }

  check(reports: Readonly<Partial<Record<NodeName, NodeReport>>>): Check {
    const found = [...this.#found];
    for (const [name, report] of Object.entries(reports)) {
      const side = strangers[name as NodeName];
      const text = JSON.stringify(report);
      if (side !== undefined && sites[side].host.some((address) => text.includes(address)))
        found.push(`the report of ${name}`);
    }
    const opened = Object.values(this.#opened).reduce((sum, count) => sum + count, 0);
    return {
      name: 'no private address of the other side in any header, opened control packet or report',
      rows: ['#71'],
      passed: found.length === 0 && opened > 0 && this.#packets > opened,
      detail:
        found.length > 0
          ? `${found.length} times, first ${found[0]}`
          : `${this.#packets} packets, ${opened} control packets opened, ${Object.keys(reports).length} reports`,
    };
  }
}
