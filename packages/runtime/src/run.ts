import { PacketDeviceToken, PacketPool, PacketPoolToken } from '@ngisec/core';
import { forbidCoreDumps, intercept, LinkError, TunDevice } from '@ngisec/link-linux';
import { ContainerModule } from 'inversify';
import { accessSync, constants } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { assemble, type Node } from './assemble.ts';
import { keyLogOf, keyLogWarning, writeKeyLog } from './key-log.ts';
import type { Loaded } from './load.ts';
import { reportOf, writeReport } from './report.ts';

/** How long the data path sleeps where nothing comes; also the longest a signal waits. */
const IDLE_WAIT_MS = 50;
/** Passes over the graph before the event loop gets a turn. */
const PASSES_PER_TURN = 64;
const STOP_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export interface RunOptions {
  /** Where the report goes, at the end and on SIGUSR2. */
  readonly report?: string;
  /** Where the keys go, for a dissector; nowhere where absent. */
  readonly keyLog?: string;
  /** Takes lines for people: that packets flow, and what went wrong without ending the run. */
  readonly say?: (line: string) => void;
}

/**
 * Runs a node until it is told to stop: opens its TUN device, diverts the traffic, moves packets, and leaves
 * the machine
 * as it found it. Throws `LinkError` where rights or kernel features are missing.
 */
export async function run(
  { application, configuration, keyFile }: Loaded,
  options: RunOptions = {},
): Promise<void> {
  const { report, keyLog, say } = options;
  if (report !== undefined) refuseUnwritable(report);
  forbidCoreDumps();
  const pool = new PacketPool({ packets: configuration.packets });
  const plan = application.interception(configuration, keyFile.channels);
  const tun = TunDevice.open({ offload: configuration.offload, inboundIsLocal: plan.kind === 'host' }, pool);
  try {
    const surroundings = new ContainerModule(({ bind, rebind }) => {
      rebind(PacketPoolToken).toConstantValue(pool);
      bind(PacketDeviceToken).toConstantValue(tun);
    });
    const node = assemble(application, configuration, keyFile.channels, surroundings);
    const interception = intercept(plan, tun, { method: configuration.interception });
    tun.ttlIncrementInbound = interception.method === 'rules';
    try {
      if (keyLog !== undefined) {
        writeKeyLog(keyLog, keyLogOf(configuration.name, keyFile.channels));
        say?.(keyLogWarning(keyLog));
      }
      // From here on packets are sealed: nobody may start with these keys again (#98).
      keyFile.consume();
      say?.(
        `${configuration.name} runs as ${application.name} on ${tun.name}: interception by ${interception.method}, ` +
          `crypto by ${node.sad.providerName}`,
      );
      const save = (): void => {
        try {
          if (report !== undefined) writeReport(report, reportOf(configuration, node));
        } catch (error) {
          say?.(`the report was not written: ${(error as Error).message}`);
        }
      };
      await movePackets(node, tun, save);
      save();
    } finally {
      interception.undo();
      node.graph.stop();
      node.sad.clear();
    }
  } finally {
    tun.close();
  }
}

/** Better now than in the middle of a run, with the machine's routes changed. */
function refuseUnwritable(report: string): void {
  try {
    accessSync(dirname(resolve(report)), constants.W_OK);
  } catch {
    throw new LinkError(
      `the report cannot be written to ${report}`,
      'Name a file in a directory that exists and can be written.',
    );
  }
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
