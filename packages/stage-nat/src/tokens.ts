import { token } from '@ngisec/core';
import type { BindingLimits, BindingTable } from './binding-table.ts';
import type { PeerTable } from './peer-table.ts';
import type { Site } from './site.ts';

export const BindingLimitsToken = token<Partial<BindingLimits>>('stage-nat/BindingLimits');
export const BindingTableToken = token<BindingTable>('stage-nat/BindingTable');
export const SiteToken = token<Site>('stage-nat/Site');
export const PeerTableToken = token<PeerTable>('stage-nat/PeerTable');
