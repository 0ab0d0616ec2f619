import {
  ClockToken,
  PacketDeviceToken,
  PacketPool,
  PacketPoolToken,
  RandomToken,
  type GraphSpec,
} from '@ngisec/core';
import { assemble, importApplication, load, type Application, type Node } from '@ngisec/runtime';
import { SimulatedDevice, type PacketPort, type SimulatedNetwork } from '@ngisec/testkit';
import { ContainerModule } from 'inversify';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A temporary directory with configuration and key files of nodes. */
export class NodeFiles {
  readonly directory = mkdtempSync(join(tmpdir(), 'ngisec-filtering-'));

  /** Writes `<name>.yaml` and `<name>.keys.yaml`; returns the path of the first. */
  write(name: string, configuration: string, channels: readonly string[]): string {
    const path = join(this.directory, `${name}.yaml`);
    writeFileSync(path, `name: ${name}\nkeys: ${name}.keys.yaml\n${configuration}`);
    const keys = `channels:\n${channels.map((channel) => `  - ${channel}\n`).join('')}`;
    writeFileSync(join(this.directory, `${name}.keys.yaml`), keys, { mode: 0o600 });
    return path;
  }

  remove(): void {
    rmSync(this.directory, { recursive: true });
  }
}

/** One end of a secure channel, as a line of a key file; the other end has the SPIs the other way round. */
export function channel(
  name: string,
  role: string,
  peers: string,
  inbound: number,
  outbound: number,
): string {
  const sa = (spi: number): string => `{ spi: ${spi}, key: ${'ab'.repeat(18)}${spi} }`;
  return `{ name: ${name}, role: ${role}, peers: [${peers}], inbound: ${sa(inbound)}, outbound: ${sa(outbound)} }`;
}

export interface Placement {
  readonly role: 'host' | 'gateway';
  readonly inside: PacketPort;
  readonly outside: PacketPort;
}

/** Runs the node of a configuration file in the network. `alter` takes its application for another. */
export async function startNode(
  path: string,
  network: SimulatedNetwork,
  placement: Placement,
  alter: (application: Application) => Application = (application) => application,
): Promise<Node> {
  const { application, configuration, keyFile } = await load(path, async (name) => {
    const found = await importApplication(name);
    return found && alter(found);
  });
  const device = new SimulatedDevice(network, placement);
  const surroundings = new ContainerModule(({ bind, rebind }) => {
    rebind(ClockToken).toConstantValue(network.clock);
    rebind(RandomToken).toConstantValue(network.random);
    rebind(PacketPoolToken).toConstantValue(new PacketPool());
    bind(PacketDeviceToken).toConstantValue(device);
  });
  const node = assemble(application, configuration, keyFile.channels, surroundings);
  device.onReadable = () => void node.graph.poll();
  return node;
}

/** An application with its graph changed and further modules. */
export const altered = (
  application: Application,
  change: (spec: GraphSpec) => GraphSpec,
  ...modules: readonly ContainerModule[]
): Application => ({
  ...application,
  modules: (configuration) => [...application.modules(configuration), ...modules],
  graph: (configuration) => change(application.graph(configuration)),
});
