import 'reflect-metadata';
import {
  checkGraph,
  coreModule,
  deviceDescriptor,
  GraphBuilder,
  PacketDeviceToken,
  StageRegistryToken,
  type GraphSpec,
  type PacketDevice,
  type StageRegistry,
} from '@ngisec/core';
import { ipsecModule, SadToken } from '@ngisec/ipsec';
import { controlClassifierDescriptor } from '@ngisec/stage-classify';
import { espOpenDescriptor, espSealDescriptor } from '@ngisec/stage-crypto';
import {
  duplicatorDescriptor,
  natDescriptor,
  reverseNatDescriptor,
  tlsClassifierDescriptor,
} from '@ngisec/stage-nat';
import { dscpMarkerDescriptor } from '@ngisec/stage-qos';
import { Container } from 'inversify';
import { application } from './application.ts';
import { gatewaySchema } from './configuration.ts';
import { gatewayGraph } from './graph.ts';

const configuration = gatewaySchema.parse({
  ...{ app: 'gateway', name: 'gw-a', keys: 'gw-a.keys.yaml' },
  lan: { interface: 'lan0', prefixes: ['10.1.0.0/24'] },
  wan: { interface: 'wan0', addresses: ['198.51.100.2'] },
  peers: [{ name: 'gw-b', addresses: ['203.0.113.2'], prefixes: ['10.2.0.0/24'] }],
});
const idle: PacketDevice = { name: 'idle', receive: () => 0, transmit: () => 0 };

/** Every kind of stage the application's own modules bring. */
function registry(): StageRegistry {
  const container = new Container();
  container.load(coreModule, ipsecModule, ...application.modules(configuration));
  container.bind(PacketDeviceToken).toConstantValue(idle);
  const sa = { spi: 256, suite: 'aes-128-gcm', keyMaterial: new Uint8Array(20), scope: 'none' } as const;
  container.get(SadToken).add({ name: 'gw-b', role: 'control', peers: [], inbound: sa, outbound: sa });
  return container.get(StageRegistryToken);
}

describe('the gateway’s graph', () => {
  test.each([undefined, 'ef'])('F3 has no problems, with per-hop behaviour %s', (phb) => {
    expect(checkGraph(gatewayGraph({ lan: ['10.1.0.0/24', 'fd01::/64'], phb }), registry())).toEqual([]);
  });

  test('#86 F3 has no problems with mode tls, where its first packets meet duplicate, NAT and seal', () => {
    const spec = gatewayGraph({ lan: ['10.1.0.0/24'], phb: 'ef', tls: true });
    expect(checkGraph(spec, registry())).toEqual([]);
    expect(spec.links.filter((link) => /\btls\b|clear/.test(link))).toEqual([
      'tls.lan -> from-lan.in',
      'tls.wan -> from-wan.in',
      'direction.inside -> tls.lan',
      'direction.outside -> tls.wan',
      'tls.control -> duplicate.tls',
      'tls.leaving -> nat.tls',
      'tls.arriving -> reverse-nat.tls',
      'reverse-nat.clear -> device.inbound',
    ]);
  });

  test('#86 #95 a monitor sees all of a tls flow that leaves for the LAN', () => {
    const spec = gatewayGraph({ lan: ['10.1.0.0/24'], tls: true, monitor: {} });
    expect(checkGraph(spec, registry())).toEqual([]);
    expect(spec.links.filter((link) => link.endsWith('monitor.egress'))).toEqual([
      'lan-seal.out -> monitor.egress',
      'reverse-nat.data -> monitor.egress',
      'reverse-nat.clear -> monitor.egress',
    ]);
  });

  test('is the one its configuration asks for', () => {
    expect(application.graph(configuration)).toEqual(gatewayGraph({ lan: ['10.1.0.0/24'] }));
  });

  test('#53 no data packet meets a stage that holds a key', () => {
    const { stages, links } = gatewayGraph({ lan: [], phb: 'ef' });
    const ends = links.map((link) => link.split(' -> ') as [string, string]);
    const reached = new Set<string>();
    /** NAT and reverse NAT have an input and an output of one name each for control and for data. */
    const follow = (output: string): void => {
      for (const [, input] of ends.filter(([from]) => from === output)) {
        const [stage, port] = input.split('.') as [string, string];
        reached.add(stages[stage]!.kind);
        if (stages[stage]!.kind !== 'device') follow(`${stage}.${port === 'in' ? 'out' : port}`);
      }
    };
    for (const classifier of ['from-lan', 'from-wan']) follow(`${classifier}.data`);
    expect([...reached].sort()).toEqual(['device', 'dscp-marker', 'nat', 'reverse-nat']);
  });
});

describe('F3 graphs that would be wrong neither compile nor pass the check', () => {
  const verdict = ({ stages, links }: GraphSpec): string[] =>
    checkGraph({ stages, links }, registry()).flatMap(({ path, message }) =>
      path[0] === 'links' ? [message] : [],
    );
  const builder = (): GraphBuilder => new GraphBuilder();

  test('NAT behind the seal', () => {
    const graph = builder();
    const [control, data, nat] = [
      graph.add('control', espSealDescriptor),
      graph.add('data', espSealDescriptor),
      graph.add('nat', natDescriptor),
    ];
    // @ts-expect-error -- a sealed header must not be translated: the ICV covers it
    graph.link(control.out.out, nat.in.control);
    // @ts-expect-error -- what this gateway sealed is no end host's data
    graph.link(data.out.out, nat.in.data);
    expect(verdict(graph.spec())).toEqual([
      '"nat.control" accepts duplicated packets, but "control.out" emits sealed ones',
      '"nat.data" accepts sealed-data packets, but "data.out" emits sealed ones',
    ]);
  });

  test('NAT before the duplicate is made', () => {
    const graph = builder();
    const [open, nat] = [graph.add('open', espOpenDescriptor), graph.add('nat', natDescriptor)];
    // @ts-expect-error -- the far gateway could never learn what NAT did
    graph.link(open.out.out, nat.in.control);
    expect(verdict(graph.spec())).toEqual([
      '"nat.control" accepts duplicated packets, but "open.out" emits opened ones',
    ]);
  });

  test('a translated control packet back into the duplicator, or out in the clear', () => {
    const graph = builder();
    const [nat, duplicate] = [graph.add('nat', natDescriptor), graph.add('duplicate', duplicatorDescriptor)];
    const device = graph.add('device', deviceDescriptor);
    // @ts-expect-error -- its original headers are gone
    graph.link(nat.out.control, duplicate.in.in);
    // @ts-expect-error -- the duplicate, private addresses in it, is in the clear
    graph.link(duplicate.out.out, device.in.outbound);
    expect(verdict(graph.spec())).toHaveLength(2);
  });

  test('learning from what nobody verified', () => {
    const graph = builder();
    const [classifier, reverseNat] = [
      graph.add('classifier', controlClassifierDescriptor),
      graph.add('reverse-nat', reverseNatDescriptor),
    ];
    // @ts-expect-error -- no key has verified it yet
    graph.link(classifier.out.control, reverseNat.in.control);
    expect(verdict(graph.spec())).toEqual([
      '"reverse-nat.control" accepts opened packets, but "classifier.control" emits sealed ones',
    ]);
  });

  test('data packets into a stage that holds a key', () => {
    const graph = builder();
    const [classifier, open, seal] = [
      graph.add('classifier', controlClassifierDescriptor),
      graph.add('open', espOpenDescriptor),
      graph.add('seal', espSealDescriptor),
    ];
    const nat = graph.add('nat', natDescriptor);
    // @ts-expect-error -- the end hosts' alone
    graph.link(classifier.out.data, open.in.in);
    // @ts-expect-error -- sealed by its end host already
    graph.link(nat.out.data, seal.in.in);
    expect(verdict(graph.spec())).toEqual([
      '"open.in" accepts sealed packets, but "classifier.data" emits sealed-data ones',
      '"seal.in" accepts control or data or natted packets, but "nat.data" emits translated ones',
    ]);
  });

  test('untranslated data to the WAN, restored control packets unsealed to the LAN', () => {
    const graph = builder();
    const [device, classifier, reverseNat] = [
      graph.add('device', deviceDescriptor),
      graph.add('classifier', controlClassifierDescriptor),
      graph.add('reverse-nat', reverseNatDescriptor),
    ];
    const mark = graph.add('mark', dscpMarkerDescriptor);
    // @ts-expect-error -- private addresses on the WAN
    graph.link(classifier.out.data, device.in.outbound);
    // @ts-expect-error -- in the clear on the LAN
    graph.link(reverseNat.out.control, device.in.inbound);
    graph.link(mark.out.out, device.in.outbound);
    expect(verdict(graph.spec())).toHaveLength(2);
  });

  test('#86 packets of a tls flow to the WAN without NAT, or their first without a duplicate', () => {
    const graph = builder();
    const device = graph.add('device', deviceDescriptor);
    const [tls, other] = [
      graph.add('tls', tlsClassifierDescriptor),
      graph.add('other', tlsClassifierDescriptor),
    ];
    const [nat, seal] = [graph.add('nat', natDescriptor), graph.add('seal', espSealDescriptor)];
    // @ts-expect-error -- private addresses on the WAN
    graph.link(tls.out.leaving, device.in.outbound);
    // @ts-expect-error -- nothing was restored
    graph.link(tls.out.arriving, device.in.inbound);
    // @ts-expect-error -- the far gateway could never learn what NAT did
    graph.link(tls.out.control, nat.in.control);
    // @ts-expect-error -- the same, sealed
    graph.link(other.out.control, seal.in.in);
    expect(verdict(graph.spec())).toHaveLength(4);
  });
});
