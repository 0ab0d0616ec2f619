import { deviceDescriptor, GraphBuilder, limits, type GraphSpec } from '@ngisec/core';
import {
  directionDescriptor,
  flowTrackerDescriptor,
  inboundPolicyDescriptor,
  ipCheckDescriptor,
  outboundPolicyDescriptor,
} from '@ngisec/stage-classify';
import { espOpenDescriptor, espSealDescriptor } from '@ngisec/stage-crypto';
import {
  portCorrectorDescriptor,
  portLearnerDescriptor,
  portRestorerDescriptor,
  transportDuplicatorDescriptor,
} from '@ngisec/stage-nat';
import { dscpMarkerDescriptor } from '@ngisec/stage-qos';

/**
 * An end host. Everything of its own is sealed here; everything for it is opened here and nowhere else.
 *
 *     stack -> outbound policy -> flows -+-> control seal -+-> wire
 *                                  ^     +-> data seal ----+
 *                                  |
 *     stack <----------------------+---- open <- inbound policy <- wire
 *
 * Peers that stay hidden need four stages more: between flows and control seal `repeat` gives TCPSec its second
 * header, the seals lead to the wire through `correct-ports`, and `open` stands between `restore-ports` and
 * `learn-ports`.
 */
export function hostGraph(options: {
  readonly addresses: readonly string[];
  readonly phb?: string | undefined;
  readonly flows?: number;
  /** Some peers are reached network to network. */
  readonly hasHiddenPeers?: boolean;
}): GraphSpec {
  const graph = new GraphBuilder();
  const device = graph.add('device', deviceDescriptor);
  const check = graph.add('check', ipCheckDescriptor);
  const direction = graph.add('direction', directionDescriptor, { inside: options.addresses });
  const outbound = graph.add('outbound-policy', outboundPolicyDescriptor);
  const inbound = graph.add('inbound-policy', inboundPolicyDescriptor);
  const flows = graph.add('flows', flowTrackerDescriptor, { capacity: options.flows ?? limits.flows });
  const controlSeal = graph.add('control-seal', espSealDescriptor);
  const dataSeal = graph.add('data-seal', espSealDescriptor);
  const open = graph.add('open', espOpenDescriptor);
  const mark =
    options.phb === undefined ? undefined : graph.add('mark', dscpMarkerDescriptor, { phb: options.phb });
  if (mark !== undefined) graph.link(mark.out.out, device.in.outbound);
  const wire = mark?.in.in ?? device.in.outbound;
  const hidden = options.hasHiddenPeers === true ? addHidden(graph) : undefined;
  const sealed = hidden?.correct.in.in ?? wire;

  graph.link(device.out.rx, check.in.in);
  graph.link(check.out.out, direction.in.in);

  graph.link(direction.out.inside, outbound.in.in);
  graph.link(outbound.out.bypass, device.in.outbound);
  graph.link(outbound.out.protect, flows.in.outbound);
  graph.link(flows.out.control, hidden?.repeat.in.in ?? controlSeal.in.in);
  graph.link(flows.out.data, dataSeal.in.in);
  graph.link(controlSeal.out.out, sealed);
  graph.link(dataSeal.out.out, sealed);

  graph.link(direction.out.outside, inbound.in.in);
  graph.link(inbound.out.bypass, device.in.inbound);
  graph.link(inbound.out.protect, hidden?.restore.in.in ?? open.in.in);
  graph.link(open.out.out, hidden?.learn.in.in ?? flows.in.inbound);
  graph.link(flows.out.deliver, device.in.inbound);
  if (hidden !== undefined) {
    graph.link(hidden.repeat.out.out, controlSeal.in.in);
    graph.link(hidden.correct.out.out, wire);
    graph.link(hidden.restore.out.out, open.in.in);
    graph.link(hidden.learn.out.out, flows.in.inbound);
  }
  return graph.spec();
}

const addHidden = (graph: GraphBuilder) => ({
  repeat: graph.add('repeat', transportDuplicatorDescriptor),
  correct: graph.add('correct-ports', portCorrectorDescriptor),
  restore: graph.add('restore-ports', portRestorerDescriptor),
  learn: graph.add('learn-ports', portLearnerDescriptor),
});
