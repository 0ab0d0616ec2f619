import { readOptions, type OptionsOf, type StageDescriptor } from './descriptor.ts';
import type { PacketState } from './packet-state.ts';
import type { StageRegistry } from './registry.ts';
import { suggest } from './suggest.ts';

/** A graph as data: what a file or the typed builder says, before anything is made. */
export interface GraphSpec {
  readonly stages: Readonly<Record<string, StageSpec>>;
  /** Each `stage.output -> stage.input`. */
  readonly links: readonly string[];
}

export interface StageSpec {
  readonly kind: string;
  readonly options?: Readonly<Record<string, unknown>>;
}

export interface Link {
  readonly from: { readonly stage: string; readonly port: string };
  readonly to: { readonly stage: string; readonly port: string };
}

export interface GraphProblem {
  /** The path into the spec: `['stages', 'nat', 'options', 'portMin']` or `['links', 3]`. */
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** A name from outside may be that of something every object inherits, such as `constructor`. */
const own = <V>(record: Readonly<Record<string, V>>, name: string): V | undefined =>
  Object.hasOwn(record, name) ? record[name] : undefined;

const LINK = /^\s*([\w-]+)\.([\w-]+)\s*->\s*([\w-]+)\.([\w-]+)\s*$/;

export function parseLink(text: string): Link | undefined {
  const match = LINK.exec(text);
  if (match === null) return undefined;
  const [, fromStage, fromPort, toStage, toPort] = match as unknown as [
    string,
    string,
    string,
    string,
    string,
  ];
  return { from: { stage: fromStage, port: fromPort }, to: { stage: toStage, port: toPort } };
}

/** Everything wrong with a graph, found without building it. */
export function checkGraph(spec: GraphSpec, registry: StageRegistry): readonly GraphProblem[] {
  const problems: GraphProblem[] = [];
  const descriptors = new Map<string, StageDescriptor>();
  for (const [name, stage] of Object.entries(spec.stages)) {
    const factory = registry.find(stage.kind);
    if (factory === undefined) {
      problems.push({ path: ['stages', name, 'kind'], message: registry.unknownKind(stage.kind) });
      continue;
    }
    descriptors.set(name, factory.descriptor);
    for (const { name: option, message } of readOptions(factory.descriptor, stage.options ?? {}).problems) {
      const hint = Object.hasOwn(factory.descriptor.options, option)
        ? ''
        : suggest(option, Object.keys(factory.descriptor.options));
      problems.push({
        path: ['stages', name, 'options', option],
        message: `option "${option}" ${message}${hint}`,
      });
    }
  }
  const outputs = new Set<string>();
  const links: Link[] = [];
  spec.links.forEach((text, index) => {
    const link = parseLink(text);
    const complain = (message: string): void => void problems.push({ path: ['links', index], message });
    if (link === undefined) return complain(`"${text}" is not of the form "stage.output -> stage.input"`);
    const key = `${link.from.stage}.${link.from.port}`;
    if (outputs.has(key))
      complain(`"${key}" is linked twice; a packet has one owner, so fan-out needs a stage that copies`);
    outputs.add(key);
    for (const end of [link.from, link.to]) {
      if (!Object.hasOwn(spec.stages, end.stage)) {
        complain(`no stage is named "${end.stage}"${suggest(end.stage, Object.keys(spec.stages))}`);
      }
    }
    const from = descriptors.get(link.from.stage);
    const to = descriptors.get(link.to.stage);
    if (from === undefined || to === undefined) return;
    const output = own(from.outputs, link.from.port);
    const input = own(to.inputs, link.to.port);
    if (output === undefined) {
      complain(
        `"${link.from.stage}" has no output "${link.from.port}"${suggest(link.from.port, Object.keys(from.outputs))}`,
      );
    }
    if (input === undefined) {
      complain(
        `"${link.to.stage}" has no input "${link.to.port}"${suggest(link.to.port, Object.keys(to.inputs))}`,
      );
    }
    if (output === undefined || input === undefined) return;
    if (!input.accepts.includes(output.emits)) {
      complain(
        `"${link.to.stage}.${link.to.port}" accepts ${input.accepts.join(' or ')} packets, ` +
          `but "${link.from.stage}.${link.from.port}" emits ${output.emits} ones`,
      );
    }
    links.push(link);
  });
  problems.push(...openOutputs(descriptors, outputs));
  const cycle = findCycle(links, descriptors);
  if (cycle !== undefined) {
    problems.push({ path: ['links'], message: `packets would go in circles: ${cycle.join(' -> ')}` });
  }
  return problems;
}

/** Outputs that must be connected and are not among the `linked` ones, each as `stage.port`. */
function openOutputs(
  descriptors: ReadonlyMap<string, StageDescriptor>,
  linked: ReadonlySet<string>,
): GraphProblem[] {
  return [...descriptors].flatMap(([name, { outputs }]) =>
    Object.entries(outputs)
      .filter(([port, { optional }]) => optional !== true && !linked.has(`${name}.${port}`))
      .map(([port]) => ({ path: ['stages', name], message: `output "${name}.${port}" is not connected` })),
  );
}

/** A stage that is both source and sink (a device) ends a path: what it sends does not come back through it. */
function findCycle(
  links: readonly Link[],
  descriptors: ReadonlyMap<string, StageDescriptor>,
): string[] | undefined {
  const next = new Map<string, string[]>();
  for (const { from, to } of links) {
    if (descriptors.get(to.stage)!.kind === 'device') continue;
    next.set(from.stage, [...(next.get(from.stage) ?? []), to.stage]);
  }
  const done = new Set<string>();
  const visit = (stage: string, path: readonly string[]): string[] | undefined => {
    const seenAt = path.indexOf(stage);
    if (seenAt >= 0) return [...path.slice(seenAt), stage];
    if (done.has(stage)) return undefined;
    for (const after of next.get(stage) ?? []) {
      const cycle = visit(after, [...path, stage]);
      if (cycle !== undefined) return cycle;
    }
    done.add(stage);
    return undefined;
  };
  for (const stage of next.keys()) {
    const cycle = visit(stage, []);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}

interface OutputRef<S extends PacketState> {
  readonly stage: string;
  readonly port: string;
  /** A type only, never set: it tells an output from an input, and from outputs of other states. */
  readonly emits: S;
}

interface InputRef<S extends PacketState> {
  readonly stage: string;
  readonly port: string;
  /** A type only, never set. */
  readonly accepts: S;
}

export interface StageHandle<D extends StageDescriptor> {
  readonly out: { readonly [Port in keyof D['outputs']]: OutputRef<D['outputs'][Port]['emits']> };
  readonly in: { readonly [Port in keyof D['inputs']]: InputRef<D['inputs'][Port]['accepts'][number]> };
}

/** Builds a `GraphSpec` in code: ports by name, and packet states that do not fit do not compile. */
export class GraphBuilder {
  readonly #stages: Record<string, StageSpec> = {};
  readonly #links: string[] = [];

  add<D extends StageDescriptor>(
    name: string,
    descriptor: D,
    options: Partial<OptionsOf<D>> = {},
  ): StageHandle<D> {
    if (Object.hasOwn(this.#stages, name)) throw new Error(`two stages are named "${name}"`);
    this.#stages[name] = { kind: descriptor.kind, options };
    const refs = (ports: object): Record<string, { stage: string; port: string }> =>
      Object.fromEntries(Object.keys(ports).map((port) => [port, { stage: name, port }]));
    return { out: refs(descriptor.outputs), in: refs(descriptor.inputs) } as unknown as StageHandle<D>;
  }

  link<Accepted extends PacketState>(from: OutputRef<NoInfer<Accepted>>, to: InputRef<Accepted>): this {
    this.#links.push(`${from.stage}.${from.port} -> ${to.stage}.${to.port}`);
    return this;
  }

  spec(): GraphSpec {
    return { stages: { ...this.#stages }, links: [...this.#links] };
  }
}
