import { chooseProvider, Sad, type Channel, type ChannelRole } from '@ngisec/ipsec';
import { parsePrefix, type Prefix } from '@ngisec/wire';

const { provider } = chooseProvider('node');

export const prefixes = (...texts: string[]): Prefix[] => texts.map((text) => parsePrefix(text)!);

/** Security associations under made-up keys; the first has SPI 1001, the next 1002, and so on. */
export class TestSad extends Sad {
  constructor() {
    super(provider);
  }

  addChannel(name: string, role: ChannelRole, ...peers: string[]): Channel {
    const spi = 1001 + this.channels.length;
    const sa = {
      spi,
      suite: 'aes-128-gcm',
      keyMaterial: new Uint8Array(20).fill(spi),
      scope: 'full',
    } as const;
    return this.add({
      name,
      role,
      peers: prefixes(...peers),
      inbound: sa,
      outbound: { ...sa, spi: spi + 1000 },
    });
  }
}
