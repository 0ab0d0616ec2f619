import {
  describeStage,
  stageFactory,
  type Batch,
  type Stage,
  type StageContext,
  type StageFactory,
} from '@ngisec/core';
import { nextHeaders } from '@ngisec/ipsec';
import { ip, ipv4, ipv6, udp } from '@ngisec/wire';

export const ipCheckDescriptor = describeStage({
  kind: 'ip-check',
  summary: 'Checks IP and transport headers once and records where they are; later stages trust that.',
  specifications: ['RFC 791', 'RFC 8200', 'RFC 9293 section 3.1', 'RFC 768', '#22', '#121'],
  inputs: { in: { accepts: ['raw'], description: 'Octets from a device.' } },
  outputs: { out: { emits: 'ip', description: 'Well-formed packets.' } },
  options: {},
  counters: {},
  drops: {
    truncated: 'Shorter than its headers say.',
    badVersion: 'Neither IPv4 nor IPv6.',
    badHeaderLength: 'An IPv4 header length below 20 octets, or an IPv6 extension chain that does not end.',
    badHeaderChecksum: 'The IPv4 header checksum is wrong.',
    badTransport: 'The transport header does not fit, or its length field disagrees with IP.',
    fragment: 'A fragment: its transport header is not at hand.',
  },
});

type Context = StageContext<typeof ipCheckDescriptor>;

class IpCheck implements Stage<typeof ipCheckDescriptor> {
  readonly inputs = { in: (batch: Batch): void => this.#checkAll(batch) };
  readonly #context: Context;

  constructor(context: Context) {
    this.#context = context;
  }

  #checkAll(batch: Batch): void {
    const { pool, drops } = this.#context;
    for (let index = 0; index < batch.length; index += 1) {
      const packet = batch.packets[index]!;
      const start = pool.start[packet]!;
      const version = start < pool.end[packet]! ? pool.bytes[start]! >>> 4 : 0;
      if (version === 4) this.#checkIpv4(packet, start);
      else if (version === 6) this.#checkIpv6(packet, start);
      else drops.badVersion.drop(packet);
    }
  }

  #checkIpv4(packet: number, start: number): void {
    const { pool, drops } = this.#context;
    const { bytes } = pool;
    const available = pool.end[packet]! - start;
    if (available < ipv4.HEADER_BYTES_MIN) return drops.truncated.drop(packet);
    const header = ipv4.headerBytes(bytes, start);
    if (header < ipv4.HEADER_BYTES_MIN) return drops.badHeaderLength.drop(packet);
    const total = ipv4.totalLength(bytes, start);
    if (total > available || total < header) return drops.truncated.drop(packet);
    if (!ipv4.hasValidChecksum(bytes, start)) return drops.badHeaderChecksum.drop(packet);
    if (ipv4.isFragment(bytes, start)) return drops.fragment.drop(packet);
    pool.end[packet] = start + total;
    this.#checkTransport(packet, 4, ipv4.protocol(bytes, start), start + header);
  }

  #checkIpv6(packet: number, start: number): void {
    const { pool, drops } = this.#context;
    const { bytes } = pool;
    const available = pool.end[packet]! - start;
    if (available < ipv6.HEADER_BYTES) return drops.truncated.drop(packet);
    const total = ipv6.HEADER_BYTES + ipv6.payloadLength(bytes, start);
    if (total > available) return drops.truncated.drop(packet);
    const end = start + total;
    const found = ipv6.findTransport(bytes, start, end);
    if (found < 0) {
      return ipv6.isFragment(bytes, start, end)
        ? drops.fragment.drop(packet)
        : drops.badHeaderLength.drop(packet);
    }
    pool.end[packet] = end;
    this.#checkTransport(packet, 6, found & 0xff, start + (found >>> 8));
  }

  #checkTransport(packet: number, family: number, protocol: number, transport: number): void {
    const { pool, drops, outputs } = this.#context;
    const end = pool.end[packet]!;
    const length = ip.transportHeaderBytes(pool.bytes, transport, end, protocol);
    if (length === 0 && ip.checksumOffset(protocol) >= 0) return drops.badTransport.drop(packet);
    if (protocol === ip.UDP && udp.length(pool.bytes, transport) !== end - transport)
      return drops.badTransport.drop(packet);
    pool.family[packet] = family;
    pool.protocol[packet] = protocol;
    pool.transport[packet] = transport;
    pool.payload[packet] = transport + length;
    pool.nextHeader[packet] = nextHeaders.transportData;
    outputs.out.push(packet);
  }
}

export const ipCheck: StageFactory = stageFactory(ipCheckDescriptor, (context) => new IpCheck(context));
