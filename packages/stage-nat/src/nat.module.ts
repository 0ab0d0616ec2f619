import { RandomToken, StageFactoryToken } from '@ngisec/core';
import { SadToken, SpdToken } from '@ngisec/ipsec';
import { ContainerModule } from 'inversify';
import { BindingTable } from './binding-table.ts';
import { duplicator } from './duplicator.ts';
import { nat } from './nat.ts';
import { portRestorer } from './port-restorer.ts';
import { reverseNat } from './reverse-nat.ts';
import { transportDuplicator } from './transport-duplicator.ts';
import { BindingLimitsToken, BindingTableToken, SiteToken } from './tokens.ts';

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
});

/** What only an end host uses, where it has network-to-network peers. */
export const hostNatModule = new ContainerModule(({ bind }) => {
  bind(StageFactoryToken)
    .toResolvedValue((spd) => transportDuplicator(spd), [SpdToken])
    .inSingletonScope();
  bind(StageFactoryToken)
    .toResolvedValue((sad, spd, random) => portRestorer(sad, spd, random), [SadToken, SpdToken, RandomToken])
    .inSingletonScope();
});
