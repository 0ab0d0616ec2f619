import { PacketDeviceToken, PacketPool, PacketPoolToken } from '@ngisec/core';
import { forbidCoreDumps, intercept, TunDevice, type Interception } from '@ngisec/link-linux';
import { ContainerModule } from 'inversify';
import { setImmediate } from 'node:timers/promises';
import { assemble, type Node } from './assemble.ts';
import type { Loaded } from './load.ts';
import { reportOf, writeReport } from './report.ts';

/** How long the data path sleeps where nothing comes; also the longest a signal waits. */
const IDLE_WAIT_MS = 50;
/** Passes over the graph before the event loop gets a turn. */
const PASSES_PER_TURN = 64;
const POOL_PACKETS = 4096;
const STOP_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export interface RunOptions {
  /** Where the report goes, at the end and on SIGUSR2. */
  readonly report?: string;
  /** Called once packets flow. */
  readonly ready?: (line: string) => void;
}

/**
 * Runs a node until SIGINT or SIGTERM: opens its TUN device, diverts the traffic, moves packets, and leaves the machine as
 * it found it. Throws `LinkError` where rights or kernel features are missing.
 */
export async function run(
  { application, configuration, keyFile }: Loaded,
  options: RunOptions = {},
): Promise<void> {
  forbidCoreDumps();
  const pool = new PacketPool({ packets: POOL_PACKETS });
  const plan = application.interception(configuration);
  const tun = TunDevice.open({ offload: configuration.offload, inboundIsLocal: plan.kind === 'host' }, pool);
  let node: Node | undefined;
  let interception: Interception | undefined;
  try {
    const surroundings = new ContainerModule(({ bind, rebind }) => {
      rebind(PacketPoolToken).toConstantValue(pool);
      bind(PacketDeviceToken).toConstantValue(tun);
    });
    node = assemble(application, configuration, keyFile.channels, surroundings);
    interception = intercept(plan, tun, { method: configuration.interception });
    tun.ttlIncrementInbound = interception.method === 'rules';
    // From here on packets are sealed: nobody may start with these keys again (#98).
    keyFile.consume();
    options.ready?.(
      `${configuration.name} runs as ${application.name} on ${tun.name}: interception by ${interception.method}, ` +
        `crypto by ${node.sad.providerName}`,
    );
    await movePackets(node, tun, () => save(options, configuration, node!));
  } finally {
    interception?.undo();
    if (node !== undefined) {
      save(options, configuration, node);
      node.graph.stop();
      node.sad.clear();
    }
    tun.close();
  }
}

function save({ report }: RunOptions, configuration: Loaded['configuration'], node: Node): void {
  if (report !== undefined) writeReport(report, reportOf(configuration, node));
}

async function movePackets({ graph }: Node, tun: TunDevice, saveReport: () => void): Promise<void> {
  let isStopping = false;
  const stop = (): void => void (isStopping = true);
  for (const signal of STOP_SIGNALS) process.on(signal, stop);
  process.on('SIGUSR2', saveReport);
  try {
    while (!isStopping) {
      for (let passes = 0; passes < PASSES_PER_TURN && graph.poll() > 0; passes += 1) continue;
      tun.wait(IDLE_WAIT_MS);
      await setImmediate();
    }
  } finally {
    for (const signal of STOP_SIGNALS) process.off(signal, stop);
    process.off('SIGUSR2', saveReport);
  }
}
