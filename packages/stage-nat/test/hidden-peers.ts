import { seededRandom } from '@ngisec/core';
import { chooseProvider, Sad, Spd, type Channel, type Scope } from '@ngisec/ipsec';
import { parsePrefix } from '@ngisec/wire';
import { PeerTable } from '../src/peer-table.ts';

const { provider } = chooseProvider('node');
export const PUBLIC_A = ['198.51.100.2', '2001:db8:a::2'] as const;
const prefixes = PUBLIC_A.map((text) => parsePrefix(text)!);

/** Rules of the host in the tests: index 0 and 1. */
export const [TCPSEC, N2N] = [0, 1];

/** What host B has for peers behind gateway A: two of them by tcpsec, and their gateway by n2n. */
export class HiddenPeers {
  readonly sad = new Sad(provider);
  readonly spd = new Spd([
    { name: 'tcpsec', mode: 'tcpsec', remote: prefixes },
    { name: 'n2n', mode: 'n2n', remote: prefixes },
    { name: 'vpn', mode: 'vpn' },
  ]);
  readonly table = new PeerTable(seededRandom(1), 64);
  readonly gateway = this.#add('gateway', 'control', 'full');
  readonly controls = [this.#add('control-1', 'control', 'none'), this.#add('control-2', 'control', 'none')];
  readonly datas = [this.#add('data-1', 'data', 'ports'), this.#add('data-2', 'data', 'ports')];

  /** The SPI by which the channel's peer sends to this host. */
  spiOf(channel: Channel): number {
    return 1000 + channel.index;
  }

  #add(name: string, role: 'control' | 'data', scope: Scope): Channel {
    const spi = 1000 + this.sad.channels.length;
    const sa = { spi, suite: 'aes-128-gcm', keyMaterial: new Uint8Array(20).fill(spi), scope } as const;
    return this.sad.add({ name, role, peers: prefixes, inbound: sa, outbound: sa });
  }
}
