import { seededRandom, type VirtualClock } from '@ngisec/core';
import { chooseProvider, Sad, type Channel, type ChannelRole } from '@ngisec/ipsec';
import { parseAddress, parsePrefix, type Prefix } from '@ngisec/wire';
import { StageBench, type BenchSetting } from '@ngisec/testkit';
import { BindingTable, type BindingLimits } from '../src/binding-table.ts';
import { duplicator } from '../src/duplicator.ts';
import { nat } from '../src/nat.ts';
import { reverseNat } from '../src/reverse-nat.ts';
import type { Service, Site, TlsRule } from '../src/site.ts';
import { tlsClassifier } from '../src/tls-classifier.ts';

const { provider } = chooseProvider('node');
const prefixes = (...texts: string[]): Prefix[] => texts.map((text) => parsePrefix(text)!);
const wan = (v4: string, v6: string): { 4: Uint8Array; 6: Uint8Array } => ({
  4: parseAddress(v4)!,
  6: parseAddress(v6)!,
});

export const wanA = wan('198.51.100.2', '2001:db8:a::2');
export const wanB = wan('203.0.113.2', '2001:db8:b::2');
const lanA = prefixes('10.1.0.0/24', 'fd01::/64');
const lanB = prefixes('10.2.0.0/24', 'fd02::/64');

let nextSpi = 256;

function addChannel(sad: Sad, name: string, role: ChannelRole, peers: readonly Prefix[]): Channel {
  const sa = {
    spi: (nextSpi += 1),
    suite: 'aes-128-gcm',
    keyMaterial: new Uint8Array(20).fill(nextSpi),
    scope: 'full',
  } as const;
  return sad.add({ name, role, peers, inbound: sa, outbound: sa });
}

/** One gateway's stages around one binding table, each on its own bench, all in one virtual time. */
export class GatewayBench {
  readonly sad = new Sad(provider);
  readonly site: Site;
  readonly table: BindingTable;
  readonly duplicator: StageBench;
  readonly nat: StageBench;
  readonly reverseNat: StageBench;
  readonly tls: StageBench;
  readonly host: Channel;
  readonly peer: Channel;

  constructor(
    side: 'a' | 'b',
    setting: BenchSetting & { clock: VirtualClock },
    limits: Partial<BindingLimits> = {},
    {
      mode = 'vpn',
      services = [],
      tls = [],
    }: { mode?: 'vpn' | 'n2n'; services?: readonly Service[]; tls?: readonly TlsRule[] } = {},
  ) {
    const [own, far] = side === 'a' ? [wanA, wanB] : [wanB, wanA];
    const [ownLan, farLan] = side === 'a' ? [lanA, lanB] : [lanB, lanA];
    this.host = addChannel(
      this.sad,
      'host',
      'control',
      ownLan.map(({ address, bits }) => ({ address, bits: bits + 4 })),
    );
    this.peer = addChannel(this.sad, 'peer', 'control', prefixes('192.0.2.1', '2001:db8:f::1'));
    this.site = {
      addresses: own,
      prefixes: ownLan,
      peers: [
        {
          name: 'peer',
          addresses: far,
          prefixes: mode === 'n2n' ? [] : farLan,
          channel: this.peer,
          mode,
          tls,
        },
      ],
      services,
    };
    this.table = new BindingTable(seededRandom(side === 'a' ? 1 : 2), { capacity: 256, ...limits });
    this.duplicator = new StageBench(duplicator(this.site), setting);
    this.nat = new StageBench(nat(this.table, this.site), setting);
    this.tls = new StageBench(tlsClassifier(this.table, this.site, this.sad), setting);
    this.reverseNat = new StageBench(reverseNat(this.table, this.site, this.sad), setting);
  }

  /**
   * A control packet from the LAN in the clear, as it goes to the peer gateway's channel; undefined where
   * NAT dropped it.
   */
  sendControl(octets: Uint8Array, nextHeader?: number): ReturnType<StageBench['feed']>[number] | undefined {
    const fields = nextHeader === undefined ? {} : { nextHeader };
    const [duplicated] = this.duplicator.feed('in', octets, fields);
    if (duplicated === undefined) return undefined;
    return this.nat.feed('control', duplicated.octets, { nextHeader: duplicated.nextHeader })[0];
  }

  /** What the peer gateway sent, opened; undefined where reverse NAT dropped it. */
  receiveControl(octets: Uint8Array, nextHeader: number): ReturnType<StageBench['feed']>[number] | undefined {
    return this.reverseNat.feed('control', octets, { nextHeader, channel: this.peer.index })[0];
  }
}
