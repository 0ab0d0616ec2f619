import { deviceDescriptor, GraphBuilder, type GraphSpec, type OptionsOf } from '@ngisec/core';
import {
  controlClassifierDescriptor,
  controlRateDetectorDescriptor,
  directionDescriptor,
  flowMonitorDescriptor,
  ipCheckDescriptor,
} from '@ngisec/stage-classify';
import { espOpenDescriptor, espSealDescriptor } from '@ngisec/stage-crypto';
import {
  duplicatorDescriptor,
  natDescriptor,
  reverseNatDescriptor,
  tlsClassifierDescriptor,
} from '@ngisec/stage-nat';
import { dscpMarkerDescriptor } from '@ngisec/stage-qos';

/**
 * A gateway. Control packets are decrypted, duplicated, translated and encrypted again; data packets only meet NAT: no
 * stage that holds a key stands in their way (draft section 6.2).
 *
 *     LAN -+- control -> open -> duplicate -> NAT -> seal -> WAN
 *          +- data ------------------------> NAT ----------> WAN
 *
 *     LAN <- seal <- reverse NAT <- open <- control -+- WAN
 *                        +-> seal -> WAN             |       need-mapping, confirmations
 *     LAN <--------- reverse NAT <--------- data ----+
 *
 * A detector stands before everything else, a monitor where packets enter from the LAN and where they leave for it.
 * With `tls` a classifier stands in front of both: flows that only TLS protects meet the same NAT and reverse NAT, and
 * their first packets the same duplicate and seal towards the WAN (draft section 7).
 */
export function gatewayGraph(options: {
  readonly lan: readonly string[];
  readonly phb?: string | undefined;
  readonly detect?: Partial<OptionsOf<typeof controlRateDetectorDescriptor>> | undefined;
  readonly monitor?: Partial<OptionsOf<typeof flowMonitorDescriptor>> | undefined;
  readonly tls?: boolean;
}): GraphSpec {
  const graph = new GraphBuilder();
  const device = graph.add('device', deviceDescriptor);
  const check = graph.add('check', ipCheckDescriptor);
  const direction = graph.add('direction', directionDescriptor, { inside: options.lan });
  const fromLan = graph.add('from-lan', controlClassifierDescriptor);
  const fromWan = graph.add('from-wan', controlClassifierDescriptor);
  const lanOpen = graph.add('lan-open', espOpenDescriptor);
  const duplicate = graph.add('duplicate', duplicatorDescriptor);
  const nat = graph.add('nat', natDescriptor);
  const wanSeal = graph.add('wan-seal', espSealDescriptor);
  const wanOpen = graph.add('wan-open', espOpenDescriptor);
  const reverseNat = graph.add('reverse-nat', reverseNatDescriptor);
  const lanSeal = graph.add('lan-seal', espSealDescriptor);
  const tls = options.tls === true ? graph.add('tls', tlsClassifierDescriptor) : undefined;
  const mark =
    options.phb === undefined ? undefined : graph.add('mark', dscpMarkerDescriptor, { phb: options.phb });
  if (mark !== undefined) graph.link(mark.out.out, device.in.outbound);
  const wan = mark?.in.in ?? device.in.outbound;
  const detect = options.detect && graph.add('detect', controlRateDetectorDescriptor, options.detect);
  if (detect !== undefined) graph.link(detect.out.out, direction.in.in);
  const monitor = options.monitor && graph.add('monitor', flowMonitorDescriptor, options.monitor);
  if (monitor !== undefined) {
    graph.link(monitor.out.ingress, fromLan.in.in);
    graph.link(monitor.out.egress, device.in.inbound);
  }
  const lan = monitor?.in.egress ?? device.in.inbound;

  graph.link(device.out.rx, check.in.in);
  graph.link(check.out.out, detect?.in.in ?? direction.in.in);

  graph.link(tls?.out.lan ?? direction.out.inside, monitor?.in.ingress ?? fromLan.in.in);
  graph.link(fromLan.out.control, lanOpen.in.in);
  graph.link(lanOpen.out.out, duplicate.in.in);
  graph.link(duplicate.out.out, nat.in.control);
  graph.link(nat.out.control, wanSeal.in.in);
  graph.link(wanSeal.out.out, wan);
  graph.link(fromLan.out.data, nat.in.data);
  graph.link(nat.out.data, wan);

  graph.link(tls?.out.wan ?? direction.out.outside, fromWan.in.in);
  graph.link(fromWan.out.control, wanOpen.in.in);
  graph.link(wanOpen.out.out, reverseNat.in.control);
  graph.link(reverseNat.out.control, lanSeal.in.in);
  graph.link(reverseNat.out.answer, wanSeal.in.in);
  graph.link(lanSeal.out.out, lan);
  graph.link(fromWan.out.data, reverseNat.in.data);
  graph.link(reverseNat.out.data, lan);

  if (tls !== undefined) {
    graph.link(direction.out.inside, tls.in.lan);
    graph.link(direction.out.outside, tls.in.wan);
    graph.link(tls.out.control, duplicate.in.tls);
    graph.link(tls.out.leaving, nat.in.tls);
    graph.link(tls.out.arriving, reverseNat.in.tls);
    graph.link(reverseNat.out.clear, lan);
  }
  return graph.spec();
}
