import { intercept } from '../src/interception.ts';
import { journals, undoStale } from '../src/journal.ts';
import { LinkError } from '../src/link-error.ts';
import type { GatewayPlan, HostPlan } from '../src/plan.ts';
import { describeNetwork, end, Network, scriptPath } from './network.ts';

const PORT = '7777';
const host: HostPlan = {
  kind: 'host',
  name: 'host',
  interface: 'eth0',
  addresses: ['10.77.0.1', 'fd77::1'],
  peers: ['10.77.0.0/24', 'fd77::/64'],
  overheadBytes: 60,
};

const gateway: GatewayPlan = {
  kind: 'gateway',
  name: 'gateway',
  lan: { interface: 'lan0', prefixes: ['192.168.7.0/24', 'fd07::/64'] },
  wan: { interface: 'wan0', addresses: ['203.0.113.1', 'fd99::1'] },
  peers: [{ addresses: ['203.0.113.2', 'fd99::2'], prefixes: ['192.168.8.0/24', 'fd08::/64'] }],
};

/** Source and destination the relay puts into a packet of each heading. */
const translate = {
  4: { outbound: ['203.0.113.1', '203.0.113.2'], inbound: ['192.168.8.2', '192.168.7.2'] },
  6: { outbound: ['fd99::1', 'fd99::2'], inbound: ['fd08::2', 'fd07::2'] },
};

let network: Network;
beforeEach(() => {
  network = new Network();
});
afterEach(() => network.dispose());

const pings = (count: number, from: string, to: string, ttl = 64): string =>
  network.output(from, ['python3', scriptPath('ping.py'), to, count, 500, ttl].join(' '));
/** `3` where all of three are answered, or the error. */
const ping = (from: string, to: string, ttl?: number): string => pings(3, from, to, ttl);
/** `0` where there is no answer, which takes a second to know. */
const silence = (from: string, to: string, ttl?: number): string => pings(1, from, to, ttl);
const fetch = (from: string, to: string, octets = 3_000_000): string =>
  network.output(from, `${process.execPath} ${scriptPath('transfer.mjs')} fetch ${to} ${PORT} ${octets}`);
const relay = (namespace: string, options: object): ReturnType<Network['start']> =>
  network.start(
    namespace,
    'relay.mjs',
    JSON.stringify({ ...options, stateDirectory: network.stateDirectory }),
  );

/** Two hosts on one link, so that neighbour discovery is among what must go on working. */
function twoHosts(): { a: string; b: string } {
  const a = network.add('a');
  const b = network.add('b');
  network.link(a, 'eth0', ['10.77.0.1/24', 'fd77::1/64'], b, 'eth0', ['10.77.0.2/24', 'fd77::2/64']);
  // As Debian and hardened hosts have it.
  network.run(a, 'sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.default.rp_filter=2');
  return { a, b };
}

/** Counts in `b` what comes from `a` but for neighbour discovery. */
function watch(b: string): () => number {
  network.run(b, 'nft add table inet watch');
  network.run(b, 'nft add chain inet watch in { type filter hook prerouting priority -300 ; }');
  network.run(b, 'nft add rule inet watch in ip saddr 10.77.0.1 counter');
  network.run(b, 'nft add rule inet watch in icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept');
  network.run(b, 'nft add rule inet watch in ip6 saddr fd77::1 counter');
  return () =>
    [...network.run(b, 'nft list table inet watch').matchAll(/packets (\d+)/g)].reduce(
      (total, [, packets]) => total + Number(packets),
      0,
    );
}

describeNetwork('a host between two namespaces', () => {
  test.each([
    ['tc', true],
    ['tc', false],
    ['rules', true],
    ['rules', false],
  ])(
    'by %s, offload %s: ping and TCP pass both ways, and everything is as before afterwards',
    async (method, offload) => {
      const { a, b } = twoHosts();
      const before = network.state(a);
      const { child, line } = await relay(a, { plan: host, method, offload });
      expect(line).toBe(`ready ${method}`);
      await network.start(a, 'transfer.mjs', 'serve', PORT);
      await network.start(b, 'transfer.mjs', 'serve', PORT);
      network.run(b, 'ip neigh flush all');
      for (const [from, to] of [
        [b, '10.77.0.1'],
        [b, 'fd77::1'],
        [a, '10.77.0.2'],
        [a, 'fd77::2'],
      ] as const) {
        expect([to, ping(from, to), fetch(from, to)]).toEqual([to, '3', 'same']);
      }
      await end(child, 'SIGTERM');
      expect(network.state(a)).toBe(before);
      expect(journals(network.stateDirectory)).toEqual([]);
    },
  );

  test('the hop that forwarding takes off is put back: TTL 1 reaches a peer on the link, both ways', async () => {
    const { a, b } = twoHosts();
    await relay(a, { plan: host, offload: true });
    expect([ping(a, '10.77.0.2', 1), ping(a, 'fd77::2', 1)]).toEqual(['3', '3']);
    expect([ping(b, '10.77.0.1', 1), ping(b, 'fd77::1', 1)]).toEqual(['3', '3']);
  });

  test.each(['tc', 'rules'])(
    'by %s: killed, it fails closed until undoStale restores everything',
    async (method) => {
      const { a, b } = twoHosts();
      const before = network.state(a);
      const { child } = await relay(a, { plan: host, method, offload: true });
      const undo = (): boolean => network.inside(a, () => undoStale('host', network.stateDirectory));
      expect(undo()).toBe(false);
      await end(child, 'SIGKILL');
      const counted = watch(b);
      expect(ping(a, '10.77.0.2')).toBe('No route to host');
      expect(ping(a, 'fd77::2')).toMatch(/No route to host|Network is unreachable/);
      expect(counted()).toBe(0);
      expect([silence(b, '10.77.0.1'), silence(b, 'fd77::1')]).toEqual(['0', '0']);
      expect(undo()).toBe(true);
      expect(network.state(a)).toBe(before);
      expect([ping(a, '10.77.0.2'), ping(b, 'fd77::1')]).toEqual(['3', '3']);
      expect(undo()).toBe(false);
    },
  );

  test('the next start takes back what a killed process left', async () => {
    const { a } = twoHosts();
    const before = network.state(a);
    const first = await relay(a, { plan: host, offload: true });
    await end(first.child, 'SIGKILL');
    const second = await relay(a, { plan: { ...host, name: 'other' }, offload: true });
    expect(ping(a, '10.77.0.2')).toBe('3');
    await end(second.child, 'SIGTERM');
    expect(network.state(a)).toBe(before);
  });

  test('a second process in the namespace is refused, whatever its state directory', async () => {
    const { a } = twoHosts();
    const { child } = await relay(a, { plan: host, offload: true });
    const attempt = (stateDirectory: string) => (): unknown =>
      network.inside(a, () =>
        intercept({ ...host, name: 'second' }, { name: 'ngtest0' }, { stateDirectory }),
      );
    expect(attempt(network.stateDirectory)).toThrow(`process ${child.pid} ("host") already intercepts`);
    expect(attempt(`${network.stateDirectory}/other`)).toThrow('already an IPv4 routing rule to table 20101');
  });

  test('what cannot be set up leaves nothing behind', () => {
    const { a } = twoHosts();
    const before = network.state(a);
    const attempt = (plan: HostPlan) => (): unknown =>
      network.inside(a, () => intercept(plan, { name: 'eth0' }, { stateDirectory: network.stateDirectory }));
    // The address is not this host's, so that its route fails, late.
    expect(attempt({ ...host, addresses: ['10.77.0.99', 'fd77::1'] })).toThrow(LinkError);
    expect(attempt({ ...host, interface: 'eth7' })).toThrow('eth7');
    // The interface's own state was part of it: `up` and down again.
    network.run(a, 'ip link set eth0 up');
    expect(network.run(a, 'ip rule show')).not.toContain('20101');
    expect(before).not.toContain('unreachable default metric 4096');
    expect(network.run(a, 'ip route show table all')).not.toContain('unreachable');
    expect(journals(network.stateDirectory)).toEqual([]);
  });
});

describeNetwork('a gateway between a LAN and a WAN', () => {
  test.each([
    ['tc', true],
    ['rules', false],
  ])(
    'by %s, offload %s: a LAN host reaches a peer’s prefix, and everything is as before afterwards',
    async (method, offload) => {
      const lan = network.add('l');
      const g = network.add('g');
      const peer = network.add('p');
      network.link(lan, 'eth0', ['192.168.7.2/24', 'fd07::2/64'], g, 'lan0', [
        '192.168.7.1/24',
        'fd07::1/64',
      ]);
      network.link(g, 'wan0', ['203.0.113.1/24', 'fd99::1/64'], peer, 'eth0', [
        '203.0.113.2/24',
        'fd99::2/64',
      ]);
      network.run(lan, 'ip route add default via 192.168.7.1');
      network.run(lan, 'ip -6 route add default via fd07::1');
      const before = network.state(g);
      const { child, line } = await relay(g, { plan: gateway, method, offload, translate });
      expect(line).toBe(`ready ${method}`);
      await network.start(peer, 'transfer.mjs', 'serve', PORT);
      network.run(peer, 'ip neigh flush all');
      for (const to of ['192.168.8.2', 'fd08::2']) {
        // One hop for the gateway and no more: the peer is two away.
        expect([to, ping(lan, to, 2), silence(lan, to, 1), fetch(lan, to)]).toEqual([to, '3', '0', 'same']);
      }
      await end(child, 'SIGTERM');
      expect(network.state(g)).toBe(before);
    },
  );

  test('killed, what the LAN sends to a peer’s prefix is refused', async () => {
    const lan = network.add('l');
    const g = network.add('g');
    const peer = network.add('p');
    network.link(lan, 'eth0', ['192.168.7.2/24', 'fd07::2/64'], g, 'lan0', ['192.168.7.1/24', 'fd07::1/64']);
    network.link(g, 'wan0', ['203.0.113.1/24', 'fd99::1/64'], peer, 'eth0', [
      '192.168.8.2/24',
      '203.0.113.2/24',
    ]);
    network.run(lan, 'ip route add default via 192.168.7.1');
    network.run(g, 'ip route add default via 203.0.113.2');
    network.run(peer, 'ip route add default via 203.0.113.1');
    network.run(g, 'sysctl -qw net.ipv4.ip_forward=1');
    expect(ping(lan, '192.168.8.2')).toBe('3');
    const before = network.state(g);
    const { child } = await relay(g, { plan: gateway, offload: true, translate });
    await end(child, 'SIGKILL');
    expect(silence(lan, '192.168.8.2')).toBe('0');
    expect(network.inside(g, () => undoStale('gateway', network.stateDirectory))).toBe(true);
    expect(network.state(g)).toBe(before);
    expect(ping(lan, '192.168.8.2')).toBe('3');
  });
});
