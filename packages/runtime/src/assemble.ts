import 'reflect-metadata';
import { ClockToken, coreModule, Graph, PacketPoolToken, StageRegistryToken } from '@ngisec/core';
import { ipsecModule, SadToken, type ChannelParameters, type Sad } from '@ngisec/ipsec';
import { Container, type ContainerModule } from 'inversify';
import type { Application, CommonConfiguration } from './application.ts';

export interface Node {
  readonly graph: Graph;
  readonly sad: Sad;
}

/**
 * Configuration and channels to a graph ready to run. `surroundings` binds the packet device, and may rebind the
 * clock, the random source, the pool and the crypto provider: so a simulation runs the very same node.
 */
export function assemble(
  application: Application,
  configuration: CommonConfiguration,
  channels: readonly ChannelParameters[],
  surroundings: ContainerModule,
): Node {
  const container = new Container();
  container.load(coreModule, ipsecModule, ...application.modules(configuration), surroundings);
  const sad = container.get(SadToken);
  for (const channel of channels) sad.add(channel);
  const graph = new Graph(application.graph(configuration), {
    registry: container.get(StageRegistryToken),
    pool: container.get(PacketPoolToken),
    clock: container.get(ClockToken),
  });
  return { graph, sad };
}
