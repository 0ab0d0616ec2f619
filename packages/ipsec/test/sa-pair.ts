import { ip } from '@ngisec/wire';
import type { PacketPool } from '@ngisec/core';
import type { CryptoProvider } from '../src/crypto/aead.ts';
import { nodeProvider } from '../src/crypto/node-provider.ts';
import { keyMaterialBytes, suites, type SuiteName } from '../src/crypto/suites.ts';
import type { Scope } from '../src/header-image.ts';
import { InboundSa, OutboundSa, type SaParameters } from '../src/security-association.ts';

export const suiteNames = Object.keys(suites) as SuiteName[];

/** Keying material that counts upwards from `first`: 00 01 02 ... */
export const countingKey = (suite: SuiteName, first = 0): Uint8Array =>
  Uint8Array.from({ length: keyMaterialBytes(suite) }, (_, index) => first + index);

export interface SaSetting {
  readonly suite?: SuiteName;
  readonly scope?: Scope;
  readonly spi?: number;
  readonly windowPackets?: number;
  readonly keyMaterial?: Uint8Array;
  /** The default has nothing that must be destroyed. */
  readonly provider?: CryptoProvider;
}

export const saParameters = (setting: SaSetting = {}): SaParameters => {
  const { suite = 'aes-128-gcm', scope = 'full', spi = 0x1122_3344, windowPackets = 64 } = setting;
  return { suite, scope, spi, windowPackets, keyMaterial: setting.keyMaterial ?? countingKey(suite) };
};

/** Both ends of one SA. */
export function saPair(setting: SaSetting = {}): { outbound: OutboundSa; inbound: InboundSa } {
  const { provider = nodeProvider } = setting;
  const parameters = saParameters(setting);
  return {
    outbound: new OutboundSa(parameters, provider),
    inbound: new InboundSa(parameters, provider, 3),
  };
}

/** The packet as a device would send it: its transport checksum computed. */
export function onTheWire(pool: PacketPool, packet: number): Uint8Array {
  const [start, transport, end] = [pool.start[packet]!, pool.transport[packet]!, pool.end[packet]!];
  ip.completeTransportChecksum(
    pool.bytes,
    start,
    transport,
    end,
    pool.family[packet]!,
    pool.protocol[packet]!,
  );
  return pool.octets(packet);
}

export const fromHex = (hex: string): Uint8Array =>
  new Uint8Array(Buffer.from(hex.replaceAll(/\s/g, ''), 'hex'));
export const toHex = (octets: Uint8Array): string => Buffer.from(octets).toString('hex');
