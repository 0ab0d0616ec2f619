import { compact, Spd, SpdToken, type PolicyRule } from '@ngisec/ipsec';
import { defineApplication } from '@ngisec/runtime';
import { classifyModule, hostClassifyModule } from '@ngisec/stage-classify';
import { cryptoModule } from '@ngisec/stage-crypto';
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

export const application = defineApplication<HostConfiguration>({
  name: 'host',
  schema: hostSchema,
  check: checkHost,
  modules: (configuration) => [
    classifyModule,
    hostClassifyModule,
    cryptoModule,
    qosModule,
    policyModule(configuration),
  ],
  graph: (configuration) =>
    hostGraph({ addresses: addressTexts(configuration), phb: configuration.phb, flows: configuration.flows }),
  interception: (configuration) => ({
    kind: 'host',
    name: configuration.name,
    interface: configuration.interface,
    addresses: addressTexts(configuration),
    peers: [...new Set(configuration.policy.flatMap(({ remote }) => remote.map(({ text }) => text)))],
    overheadBytes: compact.SHIM_BYTES_MAX,
  }),
});
