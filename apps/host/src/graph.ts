import { deviceDescriptor, GraphBuilder, type GraphSpec } from '@ngisec/core';
import {
  directionDescriptor,
  flowTrackerDescriptor,
  inboundPolicyDescriptor,
  ipCheckDescriptor,
  outboundPolicyDescriptor,
} from '@ngisec/stage-classify';
import { espOpenDescriptor, espSealDescriptor } from '@ngisec/stage-crypto';
import { portRestorerDescriptor, transportDuplicatorDescriptor } from '@ngisec/stage-nat';
import { dscpMarkerDescriptor } from '@ngisec/stage-qos';

/**
 * An end host. Everything of its own is sealed here; everything for it is opened here and nowhere else.
 *
 *     stack -> outbound policy -> flows -+-> control seal -+-> wire
 *                                  ^     +-> data seal ----+
 *                                  |
 *     stack <----------------------+---- open <- inbound policy <- wire
 *
 * With network-to-network peers two stages more: `repeat` between flows and control seal gives TCPSec its second header;
 * `ports` stands three times in the way: wire to open, open to flows, seals to wire.
 */
export function hostGraph(options: {
  readonly addresses: readonly string[];
  readonly phb?: string | undefined;
  /** Some peers are reached network to network. */
  readonly hasHiddenPeers?: boolean;
}): GraphSpec {
  const graph = new GraphBuilder();
  const device = graph.add('device', deviceDescriptor);
  const check = graph.add('check', ipCheckDescriptor);
  const direction = graph.add('direction', directionDescriptor, { inside: options.addresses });
  const outbound = graph.add('outbound-policy', outboundPolicyDescriptor);
  const inbound = graph.add('inbound-policy', inboundPolicyDescriptor);
  const flows = graph.add('flows', flowTrackerDescriptor);
  const controlSeal = graph.add('control-seal', espSealDescriptor);
  const dataSeal = graph.add('data-seal', espSealDescriptor);
  const open = graph.add('open', espOpenDescriptor);
  const mark =
    options.phb === undefined ? undefined : graph.add('mark', dscpMarkerDescriptor, { phb: options.phb });
  if (mark !== undefined) graph.link(mark.out.out, device.in.outbound);
  const network = mark?.in.in ?? device.in.outbound;
  const isHidden = options.hasHiddenPeers === true;
  const repeat = isHidden ? graph.add('repeat', transportDuplicatorDescriptor) : undefined;
  const ports = isHidden ? graph.add('ports', portRestorerDescriptor) : undefined;
  const wire = ports?.in.leaving ?? network;
  if (ports !== undefined) {
    graph.link(ports.out.wire, network);
    graph.link(ports.out.sealed, open.in.in);
    graph.link(ports.out.opened, flows.in.inbound);
  }
  if (repeat !== undefined) graph.link(repeat.out.out, controlSeal.in.in);

  graph.link(device.out.rx, check.in.in);
  graph.link(check.out.out, direction.in.in);

  graph.link(direction.out.inside, outbound.in.in);
  graph.link(outbound.out.bypass, device.in.outbound);
  graph.link(outbound.out.protect, flows.in.outbound);
  graph.link(flows.out.control, repeat?.in.in ?? controlSeal.in.in);
  graph.link(flows.out.data, dataSeal.in.in);
  graph.link(controlSeal.out.out, wire);
  graph.link(dataSeal.out.out, wire);

  graph.link(direction.out.outside, inbound.in.in);
  graph.link(inbound.out.bypass, device.in.inbound);
  graph.link(inbound.out.protect, ports?.in.wire ?? open.in.in);
  graph.link(open.out.out, ports?.in.opened ?? flows.in.inbound);
  graph.link(flows.out.deliver, device.in.inbound);
  return graph.spec();
}
