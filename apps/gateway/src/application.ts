import { SadToken, type Sad } from '@ngisec/ipsec';
import { defineApplication, JsonLines } from '@ngisec/runtime';
import {
  classifyModule,
  ControlRateAlarmSinkToken,
  FlowRecordSinkToken,
  visibilityModule,
} from '@ngisec/stage-classify';
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
    tls: peer.tls,
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

/** Files for what monitor and detector find, where the configuration names some. */
const recordsModule = ({ name, monitor, detect }: GatewayConfiguration): ContainerModule => {
  const [flows, alarms] = [monitor?.file, detect?.file];
  return new ContainerModule(({ rebind }) => {
    if (flows !== undefined)
      rebind(FlowRecordSinkToken)
        .toResolvedValue(() => new JsonLines(flows, name))
        .inSingletonScope();
    if (alarms !== undefined)
      rebind(ControlRateAlarmSinkToken)
        .toResolvedValue(() => new JsonLines(alarms, name))
        .inSingletonScope();
  });
};

/** A stage's options are the configuration's keys, but for `file`. */
function withoutFile<O extends { readonly file?: unknown }>(
  keys: O | undefined,
): Omit<O, 'file'> | undefined {
  if (keys === undefined) return undefined;
  const { file: _, ...options } = keys;
  return options;
}

const texts = (entries: readonly { readonly text: string }[]): string[] => entries.map(({ text }) => text);

export const application = defineApplication<GatewayConfiguration>({
  name: 'gateway',
  schema: gatewaySchema,
  check: checkGateway,
  modules: (configuration) => [
    classifyModule,
    visibilityModule,
    cryptoModule,
    natModule,
    qosModule,
    siteModule(configuration),
    recordsModule(configuration),
  ],
  graph: ({ lan, phb, detect, monitor, peers }) =>
    gatewayGraph({
      lan: texts(lan.prefixes),
      phb,
      detect: withoutFile(detect),
      monitor: withoutFile(monitor),
      tls: peers.some(({ tls }) => tls.length > 0),
    }),
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
