import { suggest } from '@ngisec/core';
import { formatPrefix, parseAddress, parsePrefix, type Prefix } from '@ngisec/wire';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { isMap, isPair, isScalar, LineCounter, parseDocument, type Document, type Node } from 'yaml';
import { z } from 'zod';
import { plainWords } from './plain-words.ts';

export interface ConfigurationProblem {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

/** What is wrong with what the user wrote: each problem in its place. The `ngisec` command exits with 2 on it. */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError';
  readonly problems: readonly ConfigurationProblem[];

  constructor(problems: readonly ConfigurationProblem[]) {
    super(
      problems.map(({ file, line, column, message }) => `${file}:${line}:${column}: ${message}`).join('\n'),
    );
    this.problems = problems;
  }
}

export type Path = readonly (string | number)[];

/** An address in text, as its octets. */
export const addressSchema = z.string().transform((text, context): Uint8Array => {
  const address = parseAddress(text);
  if (address === undefined)
    context.addIssue(`"${text}" is no IPv4 or IPv6 address; write 192.0.2.1 or 2001:db8::1`);
  return address ?? new Uint8Array(4);
});

/** A port or a range of ports in text; YAML reads a lone port as a number. */
export const portsSchema = z
  .preprocess((given) => (typeof given === 'number' ? String(given) : given), z.string())
  .transform((text, context) => {
    const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text);
    const minimum = Number(match?.[1]);
    const maximum = Number(match?.[2] ?? match?.[1]);
    const isRange = minimum <= maximum && maximum <= 65535;
    if (!isRange) context.addIssue(`"${text}" is no port or range of ports; write 443 or 5000-5999`);
    return { minimum, maximum };
  });

/** A prefix in text; kept as text and octets. */
export const prefixSchema = z.string().transform((text, context) => {
  const prefix = parsePrefix(text);
  if (prefix === undefined) {
    context.addIssue(`"${text}" is no address or prefix; write 10.2.0.0/24 or fd02::/64`);
    return { text, prefix: { address: new Uint8Array(4), bits: 0 } };
  }
  const first = firstOf(prefix);
  // The kernel takes no route to a prefix with bits set behind its length.
  if (formatPrefix(first) !== formatPrefix(prefix)) {
    context.addIssue(`"${text}" has bits set behind its length; write ${formatPrefix(first)}`);
  }
  return { text, prefix };
});

/** The prefix with all bits behind its length cleared. */
const firstOf = ({ address, bits }: Prefix): Prefix => ({
  address: address.map((octet, at) => octet & (0xff00 >>> Math.min(8, Math.max(0, bits - 8 * at)))),
  bits,
});

/** A parsed YAML file that can say where in it a value stands. */
export class ConfigurationFile {
  readonly path: string;
  readonly content: unknown;
  readonly #document: Document;
  readonly #lines: LineCounter;

  /** Throws `ConfigurationError` where the file cannot be read or is no YAML. */
  constructor(path: string) {
    this.path = path;
    let text: string;
    try {
      text = readFileSync(path, 'utf8');
    } catch (error) {
      const reason =
        (error as NodeJS.ErrnoException).code === 'ENOENT'
          ? 'there is no such file'
          : (error as Error).message;
      throw new ConfigurationError([{ file: path, line: 1, column: 1, message: reason }]);
    }
    this.#lines = new LineCounter();
    this.#document = parseDocument(text, { lineCounter: this.#lines, prettyErrors: false });
    const [fault] = this.#document.errors;
    if (fault !== undefined) {
      const { line, col } = this.#lines.linePos(fault.pos[0]);
      throw new ConfigurationError([
        { file: path, line, column: col, message: `not valid YAML: ${fault.message}` },
      ]);
    }
    try {
      this.content = this.#document.toJS();
    } catch (error) {
      // Aliases, and nothing else, are resolved only here.
      throw new ConfigurationError([this.problem([], `not valid YAML: ${(error as Error).message}`)]);
    }
  }

  /** The value at a path, or the nearest thing above it that exists; with `key`, that key of the map there. */
  problem(path: Path, message: string, key?: string): ConfigurationProblem {
    const at = this.#offset(path, key);
    const { line, col } = this.#lines.linePos(at);
    return { file: this.path, line, column: col, message };
  }

  #offset(path: Path, key?: string): number {
    for (let length = path.length; length >= 0; length -= 1) {
      const node = length === 0 ? this.#document.contents : this.#document.getIn(path.slice(0, length), true);
      const range = (node as Node | null | undefined)?.range;
      if (!range) continue;
      if (key !== undefined && isMap(node)) {
        const pair = node.items.find((item) => isPair(item) && isScalar(item.key) && item.key.value === key);
        const keyRange = (pair?.key as Node | undefined)?.range;
        if (keyRange) return keyRange[0];
      }
      return range[0];
    }
    return 0;
  }
}

/** Reads the file's content by a schema. Throws `ConfigurationError` with every mistake in its place. */
export function validate<S extends z.ZodType>(file: ConfigurationFile, schema: S): z.output<S> {
  const result = schema.safeParse(file.content, { error: plainWords });
  if (result.success) return result.data;
  throw new ConfigurationError(result.error.issues.flatMap((issue) => explain(file, schema, issue)));
}

function explain(
  file: ConfigurationFile,
  schema: z.ZodType,
  issue: z.core.$ZodIssue,
): ConfigurationProblem[] {
  const path = issue.path as Path;
  const name = path.length === 0 ? basename(file.path) : formatPath(path);
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(schema, path);
    return issue.keys.map((key) => file.problem(path, `unknown key "${key}"${suggest(key, known)}`, key));
  }
  if (issue.code === 'invalid_value') {
    const given = valueAt(file.content, path);
    const choices = issue.values.map(String);
    if (given !== undefined) {
      const text = typeof given === 'string' ? given : JSON.stringify(given);
      return [
        file.problem(path, `${name}: "${text}" is not one of ${choices.join(', ')}${hint(text, choices)}`),
      ];
    }
  }
  if (valueAt(file.content, path) === undefined) {
    const above = path.slice(0, -1);
    const from = above.length === 0 ? '' : ` in ${formatPath(above)}`;
    return [file.problem(above, `"${String(path.at(-1))}" is missing${from}`)];
  }
  return [file.problem(path, `${name}: ${issue.message}`)];
}

function hint(given: string, choices: readonly string[]): string {
  const said = suggest(given, choices);
  return said.includes('did you mean') ? said : '';
}

export const formatPath = (path: Path): string =>
  path
    .map((part, index) => (typeof part === 'number' ? `[${part}]` : index === 0 ? part : `.${part}`))
    .join('');

function valueAt(content: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (value, part) => (value as Record<string | number, unknown> | undefined)?.[part],
    content,
  );
}

interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly items?: JsonSchema;
}

/** The keys a schema knows at a path, read from its JSON Schema. */
function knownKeys(schema: z.ZodType, path: Path): string[] {
  const root = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema;
  const found = path.reduce<JsonSchema | undefined>(
    (at, part) => (typeof part === 'number' ? at?.items : at?.properties?.[part]),
    root,
  );
  return Object.keys(found?.properties ?? {});
}
