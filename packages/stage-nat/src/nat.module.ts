import { limits, RandomToken, StageFactoryToken } from '@ngisec/core';
import { SadToken, SpdToken } from '@ngisec/ipsec';
import { ContainerModule } from 'inversify';
import { BindingTable } from './binding-table.ts';
import { duplicator } from './duplicator.ts';
import { nat } from './nat.ts';
import { PeerTable } from './peer-table.ts';
import { portCorrector } from './port-corrector.ts';
import { portLearner } from './port-learner.ts';
import { portRestorer } from './port-restorer.ts';
import { reverseNat } from './reverse-nat.ts';
import { tlsClassifier } from './tls-classifier.ts';
import { transportDuplicator } from './transport-duplicator.ts';
import { BindingLimitsToken, BindingTableToken, PeerTableToken, SiteToken } from './tokens.ts';

/** NAT and reverse NAT share one binding table; who loads this binds its limits and the site. */
export const natModule = new ContainerModule(({ bind }) => {
  bind(BindingTableToken)
    .toResolvedValue((random, limits) => new BindingTable(random, limits), [RandomToken, BindingLimitsToken])
    .inSingletonScope();
  bind(StageFactoryToken)
    .toResolvedValue((site) => duplicator(site), [SiteToken])
    .inSingletonScope();
  bind(StageFactoryToken)
    .toResolvedValue((table, site) => nat(table, site), [BindingTableToken, SiteToken])
    .inSingletonScope();
  bind(StageFactoryToken)
    .toResolvedValue(
      (table, site, sad) => reverseNat(table, site, sad),
      [BindingTableToken, SiteToken, SadToken],
    )
    .inSingletonScope();
  bind(StageFactoryToken)
    .toResolvedValue(
      (table, site, sad) => tlsClassifier(table, site, sad),
      [BindingTableToken, SiteToken, SadToken],
    )
    .inSingletonScope();
});

/** What only an end host uses, where it has network-to-network peers: one table of them for three stages. */
export const hostNatModule = new ContainerModule(({ bind }) => {
  bind(PeerTableToken)
    .toResolvedValue((random) => new PeerTable(random, limits.flows), [RandomToken])
    .inSingletonScope();
  bind(StageFactoryToken)
    .toResolvedValue((spd) => transportDuplicator(spd), [SpdToken])
    .inSingletonScope();
  bind(StageFactoryToken)
    .toResolvedValue((sad, table) => portRestorer(sad, table), [SadToken, PeerTableToken])
    .inSingletonScope();
  bind(StageFactoryToken)
    .toResolvedValue((sad, spd, table) => portLearner(sad, spd, table), [SadToken, SpdToken, PeerTableToken])
    .inSingletonScope();
  bind(StageFactoryToken)
    .toResolvedValue((table) => portCorrector(table), [PeerTableToken])
    .inSingletonScope();
});
