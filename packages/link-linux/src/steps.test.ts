import type { Step } from './journal.ts';
import { checkPlan, type GatewayPlan, type HostPlan } from './plan.ts';
import { guardSteps, planSteps, type Facts } from './steps.ts';

const host: HostPlan = {
  kind: 'host',
  name: 'a',
  interface: 'eth0',
  addresses: ['10.1.0.5', 'fd01::5'],
  peers: ['10.2.0.0/24', 'fd02::/64'],
  overheadBytes: 60,
};

const gateway: GatewayPlan = {
  kind: 'gateway',
  name: 'g',
  lan: { interface: 'lan0', prefixes: ['192.168.7.0/24'] },
  wan: { interface: 'wan0', addresses: ['203.0.113.1'] },
  peers: [{ addresses: ['203.0.113.9'], prefixes: ['192.168.8.0/24', '192.168.9.0/24'] }],
};

const machine = (sysctls: Record<string, string> = {}, changed: Partial<Facts> = {}): Facts => ({
  method: 'tc',
  tun: 'tun0',
  mtu: 1500,
  interfaces: ['lo', 'eth0', 'tun0'],
  hasIngress: false,
  forwardDropped: [],
  sysctl: (name) => ({ 'net/ipv6/conf/tun0/force_forwarding': '0', ...sysctls })[name],
  ...changed,
});

const commands = (steps: readonly Step[]): string[] =>
  steps.flatMap((step) => (step.kind === 'command' ? [step.run.join(' ')] : []));
const undos = (steps: readonly Step[]): string[] =>
  steps.flatMap((step) => (step.kind === 'command' && step.undo !== undefined ? [step.undo.join(' ')] : []));
const sysctls = (steps: readonly Step[]): string[] =>
  steps.flatMap((step) => (step.kind === 'sysctl' ? [`${step.name}=${step.value}`] : []));

describe('a host by tc', () => {
  const steps = planSteps(host, machine());

  test('routes its own traffic to the TUN and redirects the peers’ before IP sees it', () => {
    const discovery =
      'tc filter add dev eth0 ingress pref 73 protocol ipv6 u32 match ip6 protocol 58 0xff match u8';
    expect(commands(steps)).toEqual([
      'ip link set dev tun0 mtu 1500 up',
      'ip -4 route add unreachable default metric 4096 table 20101',
      'ip -4 route add default dev tun0 src 10.1.0.5 mtu 1440 table 20101',
      'ip -6 route add unreachable default metric 4096 table 20101',
      'ip -6 route add default dev tun0 src fd01::5 mtu 1440 table 20101',
      'tc qdisc add dev eth0 clsact',
      'tc filter add dev eth0 ingress pref 71 protocol ip u32 match ip src 10.2.0.0/24 match ip dst 10.1.0.5 ' +
        'action mirred egress redirect dev tun0',
      `${discovery} 133 0xff at 40 flowid :1`,
      `${discovery} 134 0xfe at 40 flowid :1`,
      `${discovery} 136 0xfe at 40 flowid :1`,
      'tc filter add dev eth0 ingress pref 74 protocol ipv6 u32 match ip6 src fd02::/64 match ip6 dst fd01::5 ' +
        'action mirred egress redirect dev tun0',
      'ip -4 rule add pref 110 iif lo to 10.2.0.0/24 lookup 20101',
      'ip -6 rule add pref 110 iif lo to fd02::/64 lookup 20101',
    ]);
  });

  test('every change has an undo', () => {
    expect(undos(steps)).toEqual([
      'ip link set dev tun0 down',
      'ip -4 route del unreachable default metric 4096 table 20101',
      'ip -4 route del default dev tun0 src 10.1.0.5 mtu 1440 table 20101',
      'ip -6 route del unreachable default metric 4096 table 20101',
      'ip -6 route del default dev tun0 src fd01::5 mtu 1440 table 20101',
      'tc qdisc del dev eth0 clsact',
      'tc filter del dev eth0 ingress pref 71 protocol ip',
      'tc filter del dev eth0 ingress pref 73 protocol ipv6',
      'tc filter del dev eth0 ingress pref 74 protocol ipv6',
      'ip -4 rule del pref 110 iif lo to 10.2.0.0/24 lookup 20101',
      'ip -6 rule del pref 110 iif lo to fd02::/64 lookup 20101',
    ]);
  });

  test('the route that refuses stands before anything leads to its table', () => {
    const lines = commands(steps);
    expect(lines.findIndex((line) => line.includes('unreachable'))).toBeLessThan(
      lines.findIndex((line) => line.includes('rule add')),
    );
  });

  test('an ingress qdisc that is there already is used and left', () => {
    const lines = planSteps(host, machine({}, { hasIngress: true }));
    expect([...commands(lines), ...undos(lines)].filter((line) => line.includes('qdisc'))).toEqual([]);
  });

  test('only the TUN forwards; the reverse path filter moves from all interfaces to each', () => {
    const given = { 'net/ipv4/conf/all/rp_filter': '1', 'net/ipv4/conf/lo/rp_filter': '2' };
    expect(sysctls(planSteps(host, machine(given)))).toEqual([
      'net/ipv4/conf/tun0/accept_local=1',
      'net/ipv4/conf/tun0/send_redirects=0',
      'net/ipv4/conf/default/rp_filter=1',
      'net/ipv4/conf/lo/rp_filter=2',
      'net/ipv4/conf/eth0/rp_filter=2',
      'net/ipv4/conf/tun0/rp_filter=0',
      'net/ipv4/conf/all/rp_filter=0',
      'net/ipv4/conf/tun0/forwarding=1',
      'net/ipv6/conf/tun0/force_forwarding=1',
    ]);
  });

  test('before Linux 6.17 IPv6 forwarding is global, and router advertisements stay in force', () => {
    const old = machine({ 'net/ipv6/conf/eth0/accept_ra': '1' });
    const sysctl = (name: string): string | undefined =>
      name.includes('force') ? undefined : old.sysctl(name);
    expect(sysctls(planSteps(host, { ...old, sysctl })).filter((line) => line.includes('ipv6'))).toEqual([
      'net/ipv6/conf/eth0/accept_ra=2',
      'net/ipv6/conf/all/forwarding=1',
    ]);
  });

  test('a firewall that drops forwarded packets is told to let the TUN’s pass', () => {
    expect(commands(planSteps(host, machine({}, { forwardDropped: [4] })))).toContain(
      'iptables -w -I FORWARD -i tun0 -j ACCEPT',
    );
  });
});

describe('a host by rules', () => {
  const ipv4Host = { ...host, addresses: ['10.1.0.5'], peers: ['10.2.0.0/24'] };

  test('routes each protocol inbound, and puts `local` behind before taking it from the front', () => {
    expect(commands(planSteps(ipv4Host, machine({}, { method: 'rules' })))).toEqual([
      'ip link set dev tun0 mtu 1500 up',
      'ip -4 route add unreachable default metric 4096 table 20101',
      'ip -4 route add default dev tun0 src 10.1.0.5 mtu 1440 table 20101',
      'ip -4 route add unreachable default metric 4096 table 20102',
      'ip -4 route add default dev tun0 table 20102',
      'ip -4 rule add pref 90 iif eth0 from 10.2.0.0/24 to 10.1.0.5 ipproto tcp lookup 20102',
      'ip -4 rule add pref 90 iif eth0 from 10.2.0.0/24 to 10.1.0.5 ipproto udp lookup 20102',
      'ip -4 rule add pref 90 iif eth0 from 10.2.0.0/24 to 10.1.0.5 ipproto icmp lookup 20102',
      'ip -4 rule add pref 100 lookup local',
      'ip -4 rule del pref 0 lookup local',
      'ip -4 rule add pref 110 iif lo to 10.2.0.0/24 lookup 20101',
    ]);
  });

  test('of ICMPv6 takes echo only, by a mark', () => {
    const lines = commands(planSteps(host, machine({}, { method: 'rules' })));
    expect(lines.filter((line) => line.startsWith('nft') || line.includes('fwmark'))).toEqual([
      'nft add table ip6 ngisec',
      'nft add chain ip6 ngisec prerouting { type filter hook prerouting priority -150 ; }',
      'nft add rule ip6 ngisec prerouting iifname eth0 ip6 saddr fd02::/64 ip6 daddr fd01::5 ' +
        'icmpv6 type { echo-request, echo-reply } meta mark set 0x4e67',
      'ip -6 rule add pref 90 iif eth0 fwmark 0x4e67 lookup 20102',
    ]);
    expect(lines.some((line) => line.includes('ipproto ipv6-icmp'))).toBe(false);
  });

  test('the wire’s interface forwards too, and early demux is off', () => {
    expect(sysctls(planSteps(ipv4Host, machine({}, { method: 'rules' })))).toEqual(
      expect.arrayContaining(['net/ipv4/conf/eth0/forwarding=1', 'net/ipv4/ip_early_demux=0']),
    );
  });
});

describe('a gateway', () => {
  const facts = machine({}, { interfaces: ['lo', 'lan0', 'wan0', 'tun0'] });

  test('takes from the LAN what goes to the peers’ prefixes, from the WAN what comes from the peers', () => {
    expect(commands(planSteps(gateway, facts))).toEqual([
      'ip link set dev tun0 mtu 1500 up',
      'ip -4 route add unreachable default metric 4096 table 20101',
      'ip -4 route add default dev tun0 table 20101',
      'tc qdisc add dev wan0 clsact',
      'tc filter add dev wan0 ingress pref 71 protocol ip u32 match ip src 203.0.113.9 match ip dst 203.0.113.1 ' +
        'action mirred egress redirect dev tun0',
      'ip -4 rule add pref 110 iif lan0 from 192.168.7.0/24 to 192.168.8.0/24 lookup 20101',
      'ip -4 rule add pref 110 iif lan0 from 192.168.7.0/24 to 192.168.9.0/24 lookup 20101',
    ]);
    expect(sysctls(planSteps(gateway, facts))).toContain('net/ipv4/conf/lan0/forwarding=1');
  });

  test('by rules, the WAN’s packets are routed by protocol', () => {
    expect(commands(planSteps(gateway, { ...facts, method: 'rules' }))).toContain(
      'ip -4 rule add pref 90 iif wan0 from 203.0.113.9 to 203.0.113.1 ipproto udp lookup 20102',
    );
  });
});

describe('checkPlan', () => {
  test.each<[string, Partial<HostPlan>]>([
    ['"10.1.0" is no address', { addresses: ['10.1.0'] }],
    ['"10.2.0.0/33" is no prefix', { peers: ['10.2.0.0/33'] }],
    ['protects nothing', { peers: [] }],
    ['has no IPv6 address', { addresses: ['10.1.0.5'] }],
  ])('refuses a plan: %s', (message, changed) => {
    expect(() => checkPlan({ ...host, ...changed })).toThrow(message);
  });

  test('accepts one address family without the other', () => {
    expect(() => checkPlan({ ...host, addresses: ['10.1.0.5'], peers: ['10.2.0.0/24'] })).not.toThrow();
  });
});

test('the guard refuses what a plan protects before any other rule', () => {
  expect(commands(guardSteps(host))).toEqual([
    'ip -4 rule add pref 80 iif lo to 10.2.0.0/24 unreachable',
    'ip -6 rule add pref 80 iif lo to fd02::/64 unreachable',
  ]);
});
