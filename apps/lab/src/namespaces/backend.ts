import { systemRandom } from '@ngisec/core';
import type { NodeReport } from '@ngisec/runtime';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Backend, BackendOptions, Check, Observations } from '../check.ts';
import { writeLabKeyLog } from '../key-log.ts';
import { meetingOf } from '../meeting.ts';
import { DisclosureWatch } from '../disclosure-watch.ts';
import { makeNodeFiles, writeNodeFiles, type NodeFiles } from '../node-files.ts';
import { hasGateways, isHidden } from '../modes.ts';
import type { Leg, NodeName } from '../topology.ts';
import { WireObserver } from '../wire-observer.ts';
import { Capture } from './capture.ts';
import {
  captureCheck,
  curlCheck,
  keyFileCheck,
  killCheck,
  memoryCheck,
  tearDownCheck,
  type Nodes,
} from './extra-checks.ts';
import { Interruption } from './interruption.ts';
import { machineState } from './machine-state.ts';
import { conntrackCheck } from './masquerade.ts';
import { Network } from './network.ts';
import { NodeProcess } from './node-process.ts';
import { experiments } from './stay.ts';
import { makeTraffic, startWebServer } from './traffic.ts';

export { available } from './availability.ts';

const routingOf = {
  vpn: 'public',
  n2n: 'public',
  lan: 'private',
  tcpsec: 'masqueraded',
  tls: 'public',
} as const;

/** Real Linux stacks, one a namespace, with one process of ours for each host and gateway of the mode. Needs root. */
export const namespacesBackend: Backend = {
  name: 'namespaces',
  async run(options) {
    const directory = mkdtempSync(join(tmpdir(), 'ngisec-lab-'));
    let network: Network | undefined;
    const close = async (): Promise<void> => {
      await network?.close();
      rmSync(directory, { recursive: true, force: true });
    };
    const interruption = new Interruption(close);
    try {
      options.progress('building five network namespaces and the links between them');
      const startedMs = performance.now();
      network = new Network({ routing: routingOf[options.mode] });
      return await new Laboratory(network, directory, options, startedMs, interruption).run();
    } finally {
      await close();
      interruption.release();
    }
  },
};

/** One run of a scenario in a network that stands. */
class Laboratory {
  readonly #network: Network;
  readonly #options: BackendOptions;
  readonly #interruption: Interruption;
  readonly #files: NodeFiles;
  readonly #nodes: Nodes;
  readonly #before = new Map<NodeName, readonly string[]>();
  readonly #startedMs: number;

  constructor(
    network: Network,
    directory: string,
    options: BackendOptions,
    startedMs: number,
    interruption: Interruption,
  ) {
    this.#network = network;
    this.#options = options;
    this.#interruption = interruption;
    this.#startedMs = startedMs;
    this.#files = makeNodeFiles(options.mode, systemRandom, options.machine);
    writeNodeFiles(directory, this.#files);
    if (options.pcapDirectory !== undefined) writeLabKeyLog(options.pcapDirectory, this.#files);
    const names = Object.keys(this.#files.nodes) as NodeName[];
    for (const name of names) this.#before.set(name, machineState(network, name));
    this.#nodes = new Map(names.map((name) => [name, new NodeProcess(network, name, directory)]));
  }

  async run(): Promise<Observations> {
    const { progress, stay } = this.#options;
    for (const node of this.#nodes.values()) progress(await node.ready());
    const bringUpSeconds = ((performance.now() - this.#startedMs) / 1000).toFixed(1);
    const wire = new WireObserver(this.#files.channels);
    const watch = isHidden(this.#options.mode) ? new DisclosureWatch(this.#files) : undefined;
    const observe = (leg: Leg, octets: Uint8Array): void => {
      wire.observe(leg, octets);
      watch?.observe(leg, octets);
    };
    const capture = new Capture(this.#network, { observe }, this.#options.pcapDirectory);
    const { curlTransfers, figures, ...traffic } = await makeTraffic(this.#network, this.#options, () =>
      capture.settle(),
    );
    const reports = await this.#reports();
    const lost = await capture.close();
    const checks: Check[] = [
      captureCheck(lost, capture.packets),
      ...curlCheck(curlTransfers),
      keyFileCheck(this.#nodes),
      ...(watch === undefined ? [] : [watch.check(reports)]),
      ...(this.#options.mode === 'tcpsec' ? [conntrackCheck(this.#network)] : []),
    ];
    if (hasGateways(this.#options.mode)) {
      progress('looking for data keys in the memory of the gateways');
      checks.push(memoryCheck(this.#nodes, this.#files));
    }
    const meeting = meetingOf(this.#options.mode);
    if (stay === true) await this.#stay();
    progress('killing host-a, then stopping the others: what do they leave behind?');
    checks.push(await killCheck(this.#network, this.#nodes.get('host-a')!, this.#files, meeting));
    checks.push(await tearDownCheck(this.#network, this.#nodes, this.#before));
    return {
      files: this.#files,
      ...traffic,
      wire,
      reports,
      extraChecks: checks,
      figures: {
        ...figures,
        'bring-up, s': bringUpSeconds,
        'packets captured on three legs': capture.packets,
      },
    };
  }

  async #reports(): Promise<Partial<Record<NodeName, NodeReport>>> {
    const reports: Partial<Record<NodeName, NodeReport>> = {};
    for (const [name, node] of this.#nodes) reports[name] = await node.report();
    return reports;
  }

  async #stay(): Promise<void> {
    const server = await startWebServer(this.#network);
    for (const line of experiments(this.#network, meetingOf(this.#options.mode)))
      this.#options.progress(line);
    await this.#interruption.next();
    await server.stop();
  }
}
