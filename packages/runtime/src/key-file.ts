import {
  isSpi,
  keyMaterialBytes,
  keyMaterialParts,
  SPI_MIN,
  splitKeyMaterial,
  suites,
  WINDOW_PACKETS_MAX,
  type ChannelParameters,
  type Scope,
  type SuiteName,
} from '@ngisec/ipsec';
import { statSync, unlinkSync } from 'node:fs';
import { z } from 'zod';
import {
  ConfigurationError,
  ConfigurationFile,
  prefixSchema,
  validate,
  type ConfigurationProblem,
  type Path,
} from './configuration.ts';

const spiSchema = z
  .int()
  .min(SPI_MIN, {
    error: `an SPI is at least ${SPI_MIN}; those below are reserved (RFC 4303 section 2.1)`,
    abort: true,
  })
  .max(0xffff_ffff, { error: 'an SPI has 32 bits', abort: true })
  .refine(isSpi, 'an SPI does not begin with 0x32: that octet marks an AH');
const WINDOW_PACKETS_MIN = 32;
const windowSchema = z
  .int()
  .refine(
    (size) => size >= WINDOW_PACKETS_MIN && size <= WINDOW_PACKETS_MAX && Number.isInteger(Math.log2(size)),
    `a replay window is a power of two from ${WINDOW_PACKETS_MIN} to ${WINDOW_PACKETS_MAX}`,
  );
/** `key` is the SA's keying material: encryption key, its salt, integrity key, its salt, where the suite has such. */
const saSchema = z.strictObject({
  spi: spiSchema,
  key: z.string().regex(/^([0-9a-f]{2})+$/i, 'a key is an even number of hexadecimal digits'),
  windowPackets: windowSchema.optional(),
});

const keyFileSchema = z.strictObject({
  channels: z
    .array(
      z.strictObject({
        name: z.string().min(1),
        role: z.enum(['control', 'data', 'both']),
        scope: z.enum(['full', 'ports', 'none']).default('full'),
        suite: z.enum(Object.keys(suites) as [SuiteName, ...SuiteName[]]).default('aes-128-gcm'),
        peers: z.array(prefixSchema).min(1),
        inbound: saSchema,
        outbound: saSchema,
      }),
    )
    .min(1),
});

type ChannelEntry = z.output<typeof keyFileSchema>['channels'][number];
const sides = ['inbound', 'outbound'] as const;
const fromHex = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'));

/**
 * Manual keys. With an implicit IV a key is good for one process lifetime (#98): `consume` removes the file before its
 * first key is used, so that no second start can take it.
 */
export class KeyFile {
  readonly path: string;
  readonly channels: readonly ChannelParameters[];
  readonly #file: ConfigurationFile;

  /** Throws `ConfigurationError` where the file is missing, readable by others, or wrong. */
  constructor(path: string) {
    this.path = path;
    const file = new ConfigurationFile(path);
    this.#file = file;
    if (process.platform !== 'win32' && (statSync(path).mode & 0o077) !== 0) {
      throw new ConfigurationError([
        file.problem([], 'only its owner may have access to a key file; run: chmod 600 ' + path),
      ]);
    }
    const { channels } = validate(file, keyFileSchema);
    const problems = channels.flatMap((channel, index) => check(file, channels, channel, index));
    problems.push(...checkKeysDiffer(file, channels));
    if (problems.length > 0) throw new ConfigurationError(problems);
    this.channels = channels.map(toParameters);
  }

  /** Throws `ConfigurationError` where the file is gone, taken by another start, or cannot be removed. */
  consume(): void {
    try {
      unlinkSync(this.path);
    } catch (error) {
      const isGone = (error as NodeJS.ErrnoException).code === 'ENOENT';
      const reason = isGone
        ? 'another start took these keys; make new ones'
        : `it must be removed first: ${(error as Error).message}`;
      throw new ConfigurationError([this.problem([], reason)]);
    }
  }

  /** What is wrong at a path into this file. */
  problem(path: Path, message: string): ConfigurationProblem {
    return this.#file.problem(path, message);
  }
}

function check(
  file: ConfigurationFile,
  channels: readonly ChannelEntry[],
  channel: ChannelEntry,
  index: number,
): ConfigurationProblem[] {
  const problems: ConfigurationProblem[] = [];
  const digits = 2 * keyMaterialBytes(channel.suite);
  for (const side of sides) {
    const given = channel[side].key.length;
    if (given !== digits) {
      const parts = keyMaterialParts(channel.suite).map(([part, octets]) => `${part} ${2 * octets}`);
      const message = `${channel.suite} takes ${digits} hexadecimal digits (${parts.join(', ')}), not ${given}`;
      problems.push(file.problem(['channels', index, side, 'key'], message));
    }
  }
  const earlier = channels.slice(0, index);
  if (earlier.some(({ name }) => name === channel.name)) {
    problems.push(file.problem(['channels', index, 'name'], `two channels are named "${channel.name}"`));
  }
  if (earlier.some(({ inbound }) => inbound.spi === channel.inbound.spi)) {
    problems.push(
      file.problem(
        ['channels', index, 'inbound', 'spi'],
        `inbound SPI ${channel.inbound.spi} is taken; each channel needs its own`,
      ),
    );
  }
  return problems;
}

/**
 * Two SAs that seal under one key and salt would use nonces twice (#98): sequence numbers of both start at 1. So
 * would one whose two algorithms share them.
 */
function checkKeysDiffer(file: ConfigurationFile, channels: readonly ChannelEntry[]): ConfigurationProblem[] {
  const uses = channels.flatMap((channel, index) =>
    sides.map((side) => ({
      index,
      side,
      name: channel.name,
      keys: keysOf(channel.suite, channel[side].key),
    })),
  );
  return uses.flatMap(({ index, side, keys }, at) => {
    const where = ['channels', index, side, 'key'];
    if (new Set(keys).size < keys.length)
      return [file.problem(where, 'encryption and integrity have the same key; each needs its own')];
    const first = uses.slice(0, at).find((other) => other.keys.some((key) => keys.includes(key)));
    if (first === undefined) return [];
    const message =
      first.index === index
        ? 'both directions have the same key; each needs its own'
        : `channel "${first.name}" has the same key; each direction of each channel needs its own`;
    return [file.problem(where, message)];
  });
}

/** The keys in an SA's keying material, each with its salt. */
function keysOf(suite: SuiteName, material: string): string[] {
  const { encryption, integrity } = splitKeyMaterial(suite, fromHex(material));
  return [encryption, integrity]
    .filter(({ length }) => length > 0)
    .map((octets) => Buffer.from(octets).toString('hex'));
}

function toParameters({
  name,
  role,
  scope,
  suite,
  peers,
  inbound,
  outbound,
}: ChannelEntry): ChannelParameters {
  return {
    name,
    role,
    peers: peers.map(({ prefix }) => prefix),
    inbound: toSa(inbound, suite, scope),
    outbound: toSa(outbound, suite, scope),
  };
}

function toSa(sa: ChannelEntry['inbound'], suite: SuiteName, scope: Scope): ChannelParameters['inbound'] {
  const { spi, key, windowPackets } = sa;
  return {
    spi,
    suite,
    scope,
    keyMaterial: fromHex(key),
    ...(windowPackets === undefined ? {} : { windowPackets }),
  };
}
