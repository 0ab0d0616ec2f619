import type { OptionsOf, StageDescriptor } from './descriptor.ts';
import { parseLink, type GraphSpec } from './graph-spec.ts';
import { suggest } from './suggest.ts';

const canonical = (text: string): string => text.replace(/\s+/g, '');

/**
 * The graph with one more stage on one of its links, entered by its `in` and left by its `out`:
 *
 *     'a.x -> b.y'   becomes   'a.x -> name.in', 'name.out -> b.y'
 *
 * Whether the packet states fit is for `checkGraph` to say. RangeError where there is no such link, or the
 * name is taken.
 */
export function insertStage<
  D extends StageDescriptor & { inputs: { in: unknown }; outputs: { out: unknown } },
>(
  spec: GraphSpec,
  link: string,
  name: string,
  descriptor: D,
  options: Partial<OptionsOf<D>> = {},
): GraphSpec {
  const at = spec.links.findIndex((text) => canonical(text) === canonical(link));
  const found = parseLink(spec.links[at] ?? '');
  if (found === undefined) throw new RangeError(`no link "${link}"${suggest(link, spec.links)}`);
  if (Object.hasOwn(spec.stages, name)) throw new RangeError(`two stages are named "${name}"`);
  const { from, to } = found;
  return {
    stages: { ...spec.stages, [name]: { kind: descriptor.kind, options } },
    links: spec.links.toSpliced(
      at,
      1,
      `${from.stage}.${from.port} -> ${name}.in`,
      `${name}.out -> ${to.stage}.${to.port}`,
    ),
  };
}
