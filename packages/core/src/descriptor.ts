import type { PacketState } from './packet-state.ts';

export interface InputDescriptor {
  readonly accepts: readonly PacketState[];
  readonly description: string;
}

export interface OutputDescriptor {
  readonly emits: PacketState;
  readonly description: string;
  /** Where true, the output may stay unconnected: what it emits is then dropped and counted. */
  readonly optional?: boolean;
}

export type OptionDescriptor = { readonly description: string } & (
  | { readonly type: 'integer'; readonly minimum: number; readonly maximum: number; readonly default: number }
  | { readonly type: 'boolean'; readonly default: boolean }
  | { readonly type: 'text'; readonly choices?: readonly string[]; readonly default: string }
  | { readonly type: 'texts'; readonly default: readonly string[] }
);

export interface CounterDescriptor {
  readonly unit: 'packets' | 'octets' | 'operations' | 'entries';
  readonly description: string;
}

/**
 * Everything static about a kind of stage, as data: the graph check, the documentation, the metrics and the
 * types of its context come from it, so nothing is said twice.
 */
export interface StageDescriptor {
  readonly kind: string;
  readonly summary: string;
  /** The paragraphs it carries out: RFC sections, the draft's section, rows of the requirements (#n, Nn, Fn). */
  readonly specifications: readonly string[];
  readonly inputs: Readonly<Record<string, InputDescriptor>>;
  readonly outputs: Readonly<Record<string, OutputDescriptor>>;
  readonly options: Readonly<Record<string, OptionDescriptor>>;
  readonly counters: Readonly<Record<string, CounterDescriptor>>;
  /** Each way a packet may end here, and why. */
  readonly drops: Readonly<Record<string, string>>;
}

/** Keeps the literal types of a descriptor, on which the typing of contexts and links rests. */
export const describeStage = <const D extends StageDescriptor>(descriptor: D): D => descriptor;

type OptionValue<O extends OptionDescriptor> = O extends { type: 'integer' }
  ? number
  : O extends { type: 'boolean' }
    ? boolean
    : O extends { type: 'text' }
      ? string
      : readonly string[];

export type OptionsOf<D extends StageDescriptor> = {
  readonly [Name in keyof D['options']]: OptionValue<D['options'][Name]>;
};

/** Reads given options against a descriptor: defaults filled in, or a sentence for each mistake. */
export function readOptions(
  descriptor: StageDescriptor,
  given: Readonly<Record<string, unknown>>,
): {
  readonly options: Record<string, unknown>;
  readonly problems: readonly { name: string; message: string }[];
} {
  const options: Record<string, unknown> = {};
  const problems: { name: string; message: string }[] = [];
  for (const [name, option] of Object.entries(descriptor.options)) {
    const value = given[name] ?? option.default;
    const message = wrong(option, value);
    if (message !== undefined) problems.push({ name, message });
    options[name] = value;
  }
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(descriptor.options, name))
      problems.push({ name, message: 'is not an option of this kind' });
  }
  return { options, problems };
}

function wrong(option: OptionDescriptor, value: unknown): string | undefined {
  switch (option.type) {
    case 'integer':
      return Number.isInteger(value) &&
        (value as number) >= option.minimum &&
        (value as number) <= option.maximum
        ? undefined
        : `must be an integer from ${option.minimum} to ${option.maximum}`;
    case 'boolean':
      return typeof value === 'boolean' ? undefined : 'must be true or false';
    case 'text':
      if (typeof value !== 'string') return 'must be text';
      return option.choices === undefined || option.choices.includes(value)
        ? undefined
        : `must be one of ${option.choices.join(', ')}`;
    case 'texts':
      return Array.isArray(value) && value.every((item) => typeof item === 'string')
        ? undefined
        : 'must be a list of texts';
  }
}
