import { anyPrefixContains, ip, read16, type Prefix } from '@ngisec/wire';

/**
 * What a policy rule does with the packets it selects. `n2n`: the gateways repeat the transport header of control
 * packets for each other. `tcpsec`: the hosts repeat it end to end, TCPSec and UDPSec (draft section 6.3).
 */
export type Mode = 'lan' | 'vpn' | 'n2n' | 'tcpsec' | 'bypass' | 'discard';

/** True where addresses stay hidden: each host sees the public address before the other, and ports as they arrive. */
export const isNetworkToNetwork = (mode: Mode): boolean => mode === 'n2n' || mode === 'tcpsec';

export interface PortRange {
  readonly minimum: number;
  readonly maximum: number;
}

/** One entry of the security policy database; an absent selector selects everything. */
export interface PolicyRule {
  readonly name: string;
  readonly mode: Mode;
  readonly local?: readonly Prefix[];
  readonly remote?: readonly Prefix[];
  /** IP protocol number; 1 selects ICMPv6 too. */
  readonly protocol?: number;
  readonly localPorts?: PortRange;
  readonly remotePorts?: PortRange;
  /** Names of the channels it may use; absent: whichever reach the peer. For several hosts behind one address. */
  readonly channels?: readonly string[];
}

/** The security policy database (RFC 4301 section 4.4.1): the first rule that matches decides; none means discard. */
export class Spd {
  readonly rules: readonly PolicyRule[];

  constructor(rules: readonly PolicyRule[]) {
    this.rules = rules;
  }

  /**
   * Index of the first rule for a packet whose local end is its source (`outbound`) or its destination; -1
   * for none.
   */
  match(
    bytes: Uint8Array,
    at: number,
    transport: number,
    family: number,
    protocol: number,
    outbound: boolean,
  ): number {
    const source = at + ip.sourceOffset(family);
    const destination = at + ip.destinationOffset(family);
    const local = outbound ? source : destination;
    const remote = outbound ? destination : source;
    for (let index = 0; index < this.rules.length; index += 1) {
      const rule = this.rules[index]!;
      if (
        (rule.local === undefined || anyPrefixContains(rule.local, bytes, local, family)) &&
        (rule.remote === undefined || anyPrefixContains(rule.remote, bytes, remote, family)) &&
        isProtocol(rule.protocol, protocol) &&
        inPorts(rule.localPorts, bytes, transport + (outbound ? 0 : 2), protocol) &&
        inPorts(rule.remotePorts, bytes, transport + (outbound ? 2 : 0), protocol)
      ) {
        return index;
      }
    }
    return -1;
  }
}

function isProtocol(selector: number | undefined, protocol: number): boolean {
  return selector === undefined || selector === protocol || (selector === ip.ICMP && protocol === ip.ICMPV6);
}

function inPorts(range: PortRange | undefined, bytes: Uint8Array, at: number, protocol: number): boolean {
  if (range === undefined) return true;
  if (protocol !== ip.TCP && protocol !== ip.UDP) return false;
  const port = read16(bytes, at);
  return port >= range.minimum && port <= range.maximum;
}
