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
import { ipsecModule } from '@ngisec/ipsec';
import {
  directionDescriptor,
  flowTrackerDescriptor,
  inboundPolicyDescriptor,
  ipCheckDescriptor,
  outboundPolicyDescriptor,
} from '@ngisec/stage-classify';
import { espOpenDescriptor, espSealDescriptor } from '@ngisec/stage-crypto';
import { dscpMarkerDescriptor } from '@ngisec/stage-qos';
import { Container } from 'inversify';
import { application } from './application.ts';
import { hostGraph } from './graph.ts';
import { hostSchema } from './configuration.ts';

const configuration = hostSchema.parse({
  ...{ app: 'host', name: 'a', keys: 'a.keys.yaml', interface: 'lan0', addresses: ['10.1.0.2', 'fd01::2'] },
  policy: [{ name: 'site', mode: 'vpn', remote: ['10.2.0.0/24'] }],
});
const idle: PacketDevice = { name: 'idle', receive: () => 0, transmit: () => 0 };

/** Every kind of stage the application's own modules bring. */
function registry(): StageRegistry {
  const container = new Container();
  container.load(coreModule, ipsecModule, ...application.modules(configuration));
  container.bind(PacketDeviceToken).toConstantValue(idle);
  return container.get(StageRegistryToken);
}

describe('the host’s graph', () => {
  test.each([undefined, 'ef'])('F3 has no problems, with per-hop behaviour %s', (phb) => {
    expect(checkGraph(hostGraph({ addresses: ['10.1.0.2', 'fd01::2'], phb }), registry())).toEqual([]);
  });

  test('is the one its configuration asks for', () => {
    expect(application.graph(configuration)).toEqual(hostGraph({ addresses: ['10.1.0.2', 'fd01::2'] }));
    const marking = { ...configuration, phb: 'af41' };
    expect(application.graph(marking).stages['mark']).toEqual({
      kind: 'dscp-marker',
      options: { phb: 'af41' },
    });
  });

  test('lets nothing out to the wire but sealed packets and what policy bypasses', () => {
    const { links } = hostGraph({ addresses: [], phb: 'ef' });
    const onWire = links.filter((link) => link.endsWith('-> device.outbound') || link.endsWith('-> mark.in'));
    expect(onWire.sort()).toEqual([
      'control-seal.out -> mark.in',
      'data-seal.out -> mark.in',
      'mark.out -> device.outbound',
      'outbound-policy.bypass -> device.outbound',
    ]);
  });

  test('lets nothing in to the stack but opened packets and what policy bypasses', () => {
    const { links } = hostGraph({ addresses: [] });
    expect(links.filter((link) => link.endsWith('-> device.inbound')).sort()).toEqual([
      'flows.deliver -> device.inbound',
      'inbound-policy.bypass -> device.inbound',
    ]);
  });
});

describe('F3 graphs that would be wrong neither compile nor pass the check', () => {
  /** What the check says of the wrong link, whatever else is still open in so small a graph. */
  const verdict = ({ stages, links }: GraphSpec): string[] =>
    checkGraph({ stages, links }, registry()).flatMap(({ path, message }) =>
      path[0] === 'links' ? [message] : [],
    );
  const builder = (): GraphBuilder => new GraphBuilder();

  test('unchecked octets into a policy', () => {
    const graph = builder();
    const [device, policy] = [
      graph.add('device', deviceDescriptor),
      graph.add('policy', outboundPolicyDescriptor),
    ];
    // @ts-expect-error -- the device emits raw packets
    graph.link(device.out.rx, policy.in.in);
    expect(verdict(graph.spec())).toEqual(['"policy.in" accepts ip packets, but "device.rx" emits raw ones']);
  });

  test('what policy protects, out to the wire in the clear', () => {
    const graph = builder();
    const [device, policy] = [
      graph.add('device', deviceDescriptor),
      graph.add('policy', outboundPolicyDescriptor),
    ];
    // @ts-expect-error -- plain packets may not leave
    graph.link(policy.out.protect, device.in.outbound);
    expect(verdict(graph.spec())).toEqual([
      '"device.outbound" accepts sealed or translated or clear packets, but "policy.protect" emits plain ones',
    ]);
  });

  test('control and data packets past the cipher', () => {
    const graph = builder();
    const [device, flows] = [
      graph.add('device', deviceDescriptor),
      graph.add('flows', flowTrackerDescriptor),
    ];
    // @ts-expect-error -- control packets are in the clear
    graph.link(flows.out.control, device.in.outbound);
    // @ts-expect-error -- data packets are in the clear
    graph.link(flows.out.data, device.in.outbound);
    expect(verdict(graph.spec())).toHaveLength(2);
  });

  test('opened packets back out to the wire', () => {
    const graph = builder();
    const [device, open] = [graph.add('device', deviceDescriptor), graph.add('open', espOpenDescriptor)];
    // @ts-expect-error -- what was decrypted stays inside
    graph.link(open.out.out, device.in.outbound);
    expect(verdict(graph.spec())).toEqual([
      '"device.outbound" accepts sealed or translated or clear packets, but "open.out" emits opened ones',
    ]);
  });

  test('what must be protected, unopened into the flows', () => {
    const graph = builder();
    const [policy, flows] = [
      graph.add('policy', inboundPolicyDescriptor),
      graph.add('flows', flowTrackerDescriptor),
    ];
    // @ts-expect-error -- nobody verified it
    graph.link(policy.out.protect, flows.in.inbound);
    expect(verdict(graph.spec())).toEqual([
      '"flows.inbound" accepts opened packets, but "policy.protect" emits sealed ones',
    ]);
  });

  test('a second seal, a marker before the seal, a check of what is checked', () => {
    const graph = builder();
    const [one, two] = [graph.add('one', espSealDescriptor), graph.add('two', espSealDescriptor)];
    const [mark, flows] = [
      graph.add('mark', dscpMarkerDescriptor),
      graph.add('flows', flowTrackerDescriptor),
    ];
    const [check, direction] = [
      graph.add('check', ipCheckDescriptor),
      graph.add('direction', directionDescriptor),
    ];
    // @ts-expect-error -- it is sealed already
    graph.link(one.out.out, two.in.in);
    // @ts-expect-error -- in the clear
    graph.link(flows.out.data, mark.in.in);
    // @ts-expect-error -- checked already
    graph.link(direction.out.inside, check.in.in);
    expect(verdict(graph.spec())).toHaveLength(3);
  });

  test('ports and options that do not exist', () => {
    const graph = builder();
    const [device, flows] = [
      graph.add('device', deviceDescriptor),
      graph.add('flows', flowTrackerDescriptor),
    ];
    // @ts-expect-error -- there is no such output
    expect(flows.out.delivered).toBeUndefined();
    // @ts-expect-error -- an output is no input
    expect(() => graph.link(flows.out.deliver, device.out.rx)).not.toThrow();
    // @ts-expect-error -- a number
    graph.add('other', flowTrackerDescriptor, { capacity: 'many' });
    expect(checkGraph(graph.spec(), registry()).map(({ path }) => path.join('.'))).toContain(
      'stages.other.options.capacity',
    );
  });
});
