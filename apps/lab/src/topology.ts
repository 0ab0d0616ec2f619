/**
 *     host-a --- LAN A --- gw-a --- WAN A --- inet --- WAN B --- gw-b --- LAN B --- host-b
 *           10.1.0.0/24        198.51.100.0/24   203.0.113.0/24       10.2.0.0/24
 *           fd01::/64          2001:db8:a::/64   2001:db8:b::/64      fd02::/64
 *
 * `inet` is a plain router that knows public addresses only.
 */
export interface Site {
  readonly prefixes: readonly [string, string];
  readonly host: readonly [string, string];
  /** The gateway's LAN addresses. */
  readonly lan: readonly [string, string];
  readonly wan: readonly [string, string];
  /** The router's addresses on this site's WAN. */
  readonly inet: readonly [string, string];
}

export const sites = {
  a: {
    prefixes: ['10.1.0.0/24', 'fd01::/64'],
    host: ['10.1.0.2', 'fd01::2'],
    lan: ['10.1.0.1', 'fd01::1'],
    wan: ['198.51.100.2', '2001:db8:a::2'],
    inet: ['198.51.100.1', '2001:db8:a::1'],
  },
  b: {
    prefixes: ['10.2.0.0/24', 'fd02::/64'],
    host: ['10.2.0.2', 'fd02::2'],
    lan: ['10.2.0.1', 'fd02::1'],
    wan: ['203.0.113.2', '2001:db8:b::2'],
    inet: ['203.0.113.1', '2001:db8:b::1'],
  },
} as const satisfies Record<string, Site>;

export const hosts = ['host-a', 'host-b'] as const;
export const gateways = ['gw-a', 'gw-b'] as const;
export type NodeName = (typeof hosts)[number] | (typeof gateways)[number];

/** The stretches of the path, each with its own view of a packet: where captures are taken. */
export const legs = ['lan-a', 'wan', 'lan-b'] as const;
export type Leg = (typeof legs)[number];

export const MTU_BYTES = 1500;
