import { unaccounted, type StageReport } from '@ngisec/core';
import { renameSync, writeFileSync } from 'node:fs';
import type { CommonConfiguration } from './application.ts';
import type { Node } from './assemble.ts';

/** What a node did: the counters of its stages. Holds no secret. */
export interface NodeReport {
  readonly app: string;
  readonly name: string;
  readonly crypto: string;
  readonly channels: readonly string[];
  readonly stages: Readonly<Record<string, StageReport>>;
  /** Packets that neither left nor were dropped, over all stages: 0, or there is a bug. */
  readonly unaccounted: number;
  readonly failures: readonly string[];
  readonly poolAvailable: number;
  readonly poolCapacity: number;
}

export function reportOf({ app, name }: CommonConfiguration, { graph, sad }: Node): NodeReport {
  const stages = graph.report();
  return {
    app,
    name,
    crypto: sad.providerName,
    channels: sad.channels.map((channel) => channel.name),
    stages,
    unaccounted: Object.values(stages).reduce((sum, stage) => sum + Math.abs(unaccounted(stage)), 0),
    failures: [...graph.failures()].map(([stage, error]) => `${stage}: ${String(error)}`),
    poolAvailable: graph.pool.available,
    poolCapacity: graph.pool.capacity,
  };
}

/** Replaces the file in one step, so that a reader never sees half a report. */
export function writeReport(path: string, report: NodeReport): void {
  writeFileSync(`${path}.new`, JSON.stringify(report, undefined, 2) + '\n');
  renameSync(`${path}.new`, path);
}
