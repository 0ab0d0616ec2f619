import { RandomToken, StageFactoryToken } from '@ngisec/core';
import { SadToken } from '@ngisec/ipsec';
import { ContainerModule } from 'inversify';
import { BindingTable } from './binding-table.ts';
import { duplicator } from './duplicator.ts';
import { nat } from './nat.ts';
import { reverseNat } from './reverse-nat.ts';
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
