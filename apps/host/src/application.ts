import {
  isNetworkToNetwork,
  shim,
  Spd,
  SpdToken,
  type ChannelParameters,
  type PolicyRule,
} from '@ngisec/ipsec';
import { defineApplication } from '@ngisec/runtime';
import { classifyModule, hostClassifyModule } from '@ngisec/stage-classify';
import { cryptoModule } from '@ngisec/stage-crypto';
import { hostNatModule } from '@ngisec/stage-nat';
import { qosModule } from '@ngisec/stage-qos';
import { ContainerModule } from 'inversify';
import { addressTexts, checkHost, hostSchema, type HostConfiguration } from './configuration.ts';
import { hostGraph } from './graph.ts';

const policyModule = ({ policy }: HostConfiguration): ContainerModule =>
  new ContainerModule(({ bind }) => {
    const rules = policy.map(({ remote, ...rule }) => ({
      ...rule,
      remote: remote.map(({ prefix }) => prefix),
    }));
    bind(SpdToken).toConstantValue(new Spd(rules as PolicyRule[]));
  });

/** The most that sealing adds to a data packet on any channel; IPv6 is never below IPv4. */
const overheadBytes = (channels: readonly ChannelParameters[]): number =>
  Math.max(
    0,
    ...channels.map(({ role, outbound }) => (role === 'control' ? 0 : shim.bytesMax(outbound.suite, 6))),
  );
/** TCPSec repeats a transport header, and a TCP header has up to 60 octets. */
const TRANSPORT_HEADER_BYTES_MAX = 60;

export const application = defineApplication<HostConfiguration>({
  name: 'host',
  schema: hostSchema,
  check: checkHost,
  modules: (configuration) => [
    classifyModule,
    hostClassifyModule,
    cryptoModule,
    qosModule,
    hostNatModule,
    policyModule(configuration),
  ],
  graph: (configuration) =>
    hostGraph({
      addresses: addressTexts(configuration),
      phb: configuration.phb,
      flows: configuration.flows,
      hasHiddenPeers: configuration.policy.some(({ mode }) => isNetworkToNetwork(mode)),
    }),
  interception: (configuration, channels) => ({
    kind: 'host',
    name: configuration.name,
    interface: configuration.interface,
    addresses: addressTexts(configuration),
    peers: [...new Set(configuration.policy.flatMap(({ remote }) => remote.map(({ text }) => text)))],
    overheadBytes:
      overheadBytes(channels) +
      (configuration.policy.some(({ mode }) => mode === 'tcpsec') ? TRANSPORT_HEADER_BYTES_MAX : 0),
  }),
});
