import { PacketPool, type Random } from '@ngisec/core';
import { chooseProvider, shim, OutboundSa } from '@ngisec/ipsec';
import { keyLogLine } from '@ngisec/runtime';
import { buildEcho, buildTcp, buildUdp, preparePacket } from '@ngisec/testkit';
import { ip } from '@ngisec/wire';

/** Octets of key and salt, by suite. */
const keyMaterialBytes = { 'aes-128-gcm': 20, 'aes-256-gcm': 36, 'chacha20-poly1305': 36 } as const;
type SuiteName = keyof typeof keyMaterialBytes;

/** One packet on the wire, what it must open to, and the line of a key log that opens it. */
export interface SealedSample {
  readonly suite: SuiteName;
  readonly octets: Uint8Array;
  readonly payload: Uint8Array;
  /** Where the shim begins. */
  readonly payloadAt: number;
  readonly keyLogLine: string;
}

const { provider } = chooseProvider();
const SIZES_A_PROTOCOL = 4;
const PAYLOAD_MAX = 1400;
// Ports no dissector claims: it would judge the ciphertext.
const ports = { sport: 34567, dport: 34568 };
const ends = [
  { src: '10.1.0.2', dst: '10.2.0.2' },
  { src: 'fd01::2', dst: 'fd02::2' },
];

/** Every suite with TCP, UDP and echoes of either family, each under an SA of its own. */
/** Seals what a host's stack emitted, under an SA made for it. */
export function sealedSamples(random: Random): SealedSample[] {
  const names = Object.keys(keyMaterialBytes) as SuiteName[];
  const octets = (length: number): Uint8Array => {
    const result = new Uint8Array(length);
    random.fill(result);
    return result;
  };
  return names.flatMap((suite) =>
    ends.flatMap((way) =>
      Array.from({ length: SIZES_A_PROTOCOL }, () => {
        const options = octets(4 * random.integer(11)).fill(1);
        const fields = { ...way, ...ports, options, identifier: 7, sequence: 3 };
        return [buildTcp, buildUdp, buildEcho].map((build) => {
          const payload = octets(1 + random.integer(PAYLOAD_MAX));
          return seal(build({ ...fields, payload }), payload, suite, random);
        });
      }).flat(),
    ),
  );
}

/** Seals what a host's stack emitted, under an SA made for it. */
export function seal(
  emitted: Uint8Array,
  payload: Uint8Array,
  suite: SuiteName,
  random: Random,
): SealedSample {
  const pool = new PacketPool({ packets: 1 });
  const packet = pool.allocateCopy(emitted);
  if (!preparePacket(pool, packet)) throw new Error('the builder made a bad packet');
  const keyMaterial = new Uint8Array(keyMaterialBytes[suite]);
  random.fill(keyMaterial);
  const parameters = { spi: 256 + random.integer(0x3000_0000), suite, keyMaterial, scope: 'full' } as const;
  const sa = new OutboundSa(parameters, provider);
  const outcome = shim.seal(pool, packet, sa);
  sa.destroy();
  if (outcome !== shim.SEAL_OK) throw new Error(`not sealed: ${outcome}`);
  const [start, transport, end] = [pool.start[packet]!, pool.transport[packet]!, pool.end[packet]!];
  ip.completeTransportChecksum(
    pool.bytes,
    start,
    transport,
    end,
    pool.family[packet]!,
    pool.protocol[packet]!,
  );
  return {
    ...{ suite, payload, octets: pool.octets(packet), payloadAt: pool.payload[packet]! - start },
    keyLogLine: keyLogLine({ ...parameters, role: 'data', name: 'sender>receiver' }),
  };
}
