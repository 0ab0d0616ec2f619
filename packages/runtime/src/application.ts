import type { GraphSpec } from '@ngisec/core';
import type { ChannelParameters } from '@ngisec/ipsec';
import type { Plan } from '@ngisec/link-linux';
import type { ContainerModule } from 'inversify';
import { z } from 'zod';
import type { Path } from './configuration.ts';

/** What every application's configuration file has. */
export const commonSchema = {
  app: z.string(),
  /** Names this node in reports and in the record of what was set up. */
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,30}$/, 'must be lower-case letters, digits and hyphens, at most 31 of them'),
  /** The key file, relative to the configuration file; it is removed when the keys are taken. */
  keys: z.string().min(1),
  interception: z.enum(['auto', 'tc', 'rules']).default('auto'),
  /** Large segments and unfinished checksums between the kernel and this process: much faster. */
  offload: z.boolean().default(true),
  /** Packets the node holds at once, 2 KiB each. */
  packets: z.int().min(512).max(65_536).default(4096),
};

export type CommonConfiguration = z.output<z.ZodObject<typeof commonSchema>>;

export interface Complaint {
  /** The file in which the path leads to what is wrong; the configuration file where absent. */
  readonly file?: 'keys';
  readonly path: Path;
  readonly message: string;
}

/** A kind of node: how its file reads, which services it binds, how its stages are linked, which packets it wants. */
export interface Application<C extends CommonConfiguration = CommonConfiguration> {
  readonly name: string;
  readonly schema: z.ZodType<C>;
  /** What the schema cannot say: across fields, and against the channels of the key file. */
  check(configuration: C, channels: readonly ChannelParameters[]): readonly Complaint[];
  modules(configuration: C): readonly ContainerModule[];
  graph(configuration: C): GraphSpec;
  interception(configuration: C, channels: readonly ChannelParameters[]): Plan;
}

/** Keeps the configuration's type to the application's own methods; outside it is only known to fit the schema. */
export const defineApplication = <C extends CommonConfiguration>(application: Application<C>): Application =>
  application as unknown as Application;
