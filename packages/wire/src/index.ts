export * as ah from './ah.ts';
export * as checksum from './checksum.ts';
export * as esp from './esp.ts';
export * as icmp from './icmp.ts';
export * as ip from './ip.ts';
export * as ipv4 from './ipv4.ts';
export * as ipv6 from './ipv6.ts';
export * as tcp from './tcp.ts';
export * as udp from './udp.ts';
export { copy, read16, read32, write16, write32 } from './bytes.ts';
export {
  anyPrefixContains,
  formatAddress,
  formatPrefix,
  parseAddress,
  parsePrefix,
  prefixContains,
  type Prefix,
} from './address.ts';
export { linkTypes, type CapturedPacket } from './capture.ts';
export { PcapReader, pcapWriter, type PcapWriter } from './pcap.ts';
export * as pcapng from './pcapng.ts';
export { PcapngReader } from './pcapng.ts';
