import { suites, SPI_MIN, type ChannelParameters, type Scope, type SuiteName } from '@ngisec/ipsec';
import { statSync, unlinkSync } from 'node:fs';
import { z } from 'zod';
import { ConfigurationError, ConfigurationFile, prefixSchema, validate, type ConfigurationProblem } from './configuration.ts';

const spiSchema = z.int().min(SPI_MIN, `an SPI is at least ${SPI_MIN}`).max(0xffff_ffff);
const saSchema = z.strictObject({
  spi: spiSchema,
  key: z.string().regex(/^([0-9a-f]{2})+$/i, 'a key is an even number of hexadecimal digits, salt at the end'),
  windowPackets: z.int().optional(),
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

/**
 * Manual keys. With an implicit IV a key is good for one process lifetime (#98): `consume` removes the file before its
 * first key is used, so that no second start can take it.
 */
export class KeyFile {
  readonly path: string;
  readonly channels: readonly ChannelParameters[];

  /** Throws `ConfigurationError` where the file is missing, readable by others, or wrong. */
  constructor(path: string) {
    this.path = path;
    const file = new ConfigurationFile(path);
    if (process.platform !== 'win32' && (statSync(path).mode & 0o077) !== 0) {
      throw new ConfigurationError([file.problem([], 'others may read these keys; run: chmod 600 ' + path)]);
    }
    const { channels } = validate(file, keyFileSchema);
    const problems = channels.flatMap((channel, index) => check(file, channels, channel, index));
    if (problems.length > 0) throw new ConfigurationError(problems);
    this.channels = channels.map(toParameters);
  }

  consume(): void {
    unlinkSync(this.path);
  }
}

function check(
  file: ConfigurationFile,
  channels: readonly ChannelEntry[],
  channel: ChannelEntry,
  index: number,
): ConfigurationProblem[] {
  const problems: ConfigurationProblem[] = [];
  const { keyBytes, saltBytes } = suites[channel.suite];
  const digits = 2 * (keyBytes + saltBytes);
  for (const side of ['inbound', 'outbound'] as const) {
    const given = channel[side].key.length;
    if (given !== digits) {
      const message = `${channel.suite} takes ${digits} hexadecimal digits of key and salt, not ${given}`;
      problems.push(file.problem(['channels', index, side, 'key'], message));
    }
  }
  if (channel.inbound.key === channel.outbound.key) {
    problems.push(file.problem(['channels', index, 'outbound', 'key'], 'both directions have the same key; each needs its own'));
  }
  const earlier = channels.slice(0, index);
  if (earlier.some(({ name }) => name === channel.name)) {
    problems.push(file.problem(['channels', index, 'name'], `two channels are named "${channel.name}"`));
  }
  if (earlier.some(({ inbound }) => inbound.spi === channel.inbound.spi)) {
    problems.push(file.problem(['channels', index, 'inbound', 'spi'], `inbound SPI ${channel.inbound.spi} is taken; each channel needs its own`));
  }
  return problems;
}

function toParameters({ name, role, scope, suite, peers, inbound, outbound }: ChannelEntry): ChannelParameters {
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
  const keyMaterial = new Uint8Array(Buffer.from(key, 'hex'));
  return { spi, suite, scope, keyMaterial, ...(windowPackets === undefined ? {} : { windowPackets }) };
}
