import { SadToken, type Sad } from '@ngisec/ipsec';
import { defineApplication } from '@ngisec/runtime';
import { classifyModule } from '@ngisec/stage-classify';
import { cryptoModule } from '@ngisec/stage-crypto';
import { BindingLimitsToken, natModule, SiteToken, type Site } from '@ngisec/stage-nat';
import { qosModule } from '@ngisec/stage-qos';
import { formatAddress } from '@ngisec/wire';
import { ContainerModule } from 'inversify';
import {
  channelNameOf,
  checkGateway,
  gatewaySchema,
  protocolOf,
  type GatewayConfiguration,
} from './configuration.ts';
import { gatewayGraph } from './graph.ts';

function byFamily(addresses: readonly Uint8Array[]): { 4?: Uint8Array; 6?: Uint8Array } {
  return Object.fromEntries(addresses.map((address) => [address.length === 4 ? 4 : 6, address]));
}

const siteOf = ({ lan, wan, peers, services }: GatewayConfiguration, sad: Sad): Site => ({
  addresses: byFamily(wan.addresses),
  prefixes: lan.prefixes.map(({ prefix }) => prefix),
  peers: peers.map((peer) => ({
    name: peer.name,
    addresses: byFamily(peer.addresses),
    prefixes: peer.prefixes.map(({ prefix }) => prefix),
    channel: sad.named(channelNameOf(peer))!,
    mode: peer.mode,
  })),
  services: services.map((service) => ({
    protocol: protocolOf(service),
    port: service.port ?? 0,
    host: service.host,
    hostPort: service.hostPort ?? service.port ?? 0,
  })),
});

const siteModule = (configuration: GatewayConfiguration): ContainerModule =>
  new ContainerModule(({ bind }) => {
    bind(BindingLimitsToken).toConstantValue(configuration.nat);
    bind(SiteToken)
      .toResolvedValue((sad) => siteOf(configuration, sad), [SadToken])
      .inSingletonScope();
  });

const texts = (entries: readonly { readonly text: string }[]): string[] => entries.map(({ text }) => text);

export const application = defineApplication<GatewayConfiguration>({
  name: 'gateway',
  schema: gatewaySchema,
  check: checkGateway,
  modules: (configuration) => [classifyModule, cryptoModule, natModule, qosModule, siteModule(configuration)],
  graph: ({ lan, phb }) => gatewayGraph({ lan: texts(lan.prefixes), phb }),
  interception: ({ name, lan, wan, peers }) => ({
    kind: 'gateway',
    name,
    lan: { interface: lan.interface, prefixes: texts(lan.prefixes) },
    wan: { interface: wan.interface, addresses: wan.addresses.map(formatAddress) },
    peers: peers.map(({ addresses, prefixes, mode }) => ({
      addresses: addresses.map(formatAddress),
      prefixes: mode === 'n2n' ? addresses.map(formatAddress) : texts(prefixes),
    })),
  }),
});
