import { seededRandom } from '@ngisec/core';
import { buildEcho, buildIp, buildTcp, buildUdp, preparePacket, StageBench } from '@ngisec/testkit';
import { ip, tcp } from '@ngisec/wire';
import fc from 'fast-check';
import { sealed } from '../test/sealed.ts';
import { TestSad } from '../test/secure-channels.ts';

import { flowDirections, flowEndReasons, type FlowRecord } from './flow-accounts.ts';
import { flowMonitor, flowMonitorDescriptor } from './flow-monitor.ts';

const { idleTimeout, activeTimeout, endOfFlow, forcedEnd } = flowEndReasons;
const data = new TestSad().addChannel('peer', 'data', '10.0.0.0/8', 'fd00::/8');

/** A monitor in virtual time, and what it recorded. */
class Bench extends StageBench {
  readonly records: FlowRecord[];

  constructor(options: Readonly<Record<string, number>> = {}) {
    const records: FlowRecord[] = [];
    const factory = flowMonitor(seededRandom(95), { next: (record) => void records.push(record) });
    super(factory, { prepare: preparePacket, options: { capacity: 64, ...options } });
    this.records = records;
  }

  /** Records made so far, taken away. */
  take(): FlowRecord[] {
    return this.records.splice(0);
  }
}

const ends = { src: '10.1.0.2', dst: '10.2.0.2', sport: 40000, dport: 80 };
const end6 = { src: 'fd01::2', dst: 'fd02::2', sport: 40001, dport: 443 };
const payload = new Uint8Array(100).fill(1);

describe('#95 #133 a record of protected traffic', () => {
  test('has 5-tuple, packets, octets with the shim, flags and times, and nothing had to be opened', () => {
    const bench = new Bench();
    bench.pass(5);
    const segments = [
      buildTcp({ ...ends, flags: tcp.SYN, options: Uint8Array.of(2, 4, 5, 180) }),
      buildTcp({ ...ends, payload }),
      buildTcp({ ...ends, flags: tcp.PSH | tcp.ACK, payload: payload.slice(1) }),
      buildTcp({ ...ends, flags: tcp.FIN | tcp.ACK }),
    ].map((octets) => sealed(octets, data));
    for (const octets of segments) {
      expect(bench.feed('ingress', octets).map((out) => out.octets)).toEqual([octets]);
      bench.pass(10);
    }
    bench.pass(2000);
    expect(bench.take()).toEqual([
      {
        ipVersion: 4,
        sourceAddress: '10.1.0.2',
        destinationAddress: '10.2.0.2',
        protocolIdentifier: 6,
        sourceTransportPort: 40000,
        destinationTransportPort: 80,
        packetDeltaCount: 4,
        octetDeltaCount: segments.reduce((sum, { length }) => sum + length, 0),
        tcpControlBits: tcp.SYN | tcp.ACK | tcp.PSH | tcp.FIN,
        flowStartSysUpTime: 5,
        flowEndSysUpTime: 35,
        flowEndReason: endOfFlow,
        flowDirection: flowDirections.ingress,
      },
    ]);
  });

  test('equals a naive count for any mix of flows, directions and times', () => {
    const kinds = [
      () => buildTcp({ ...ends, payload }),
      () => buildTcp({ ...end6, flags: tcp.PSH | tcp.ACK }),
      () => buildUdp({ ...ends, payload }),
      () => buildUdp({ ...end6, sport: 5 }),
      () => buildEcho({ ...ends, identifier: 9, payload }),
    ];
    const step = fc.record({ kind: fc.nat(4), isEgress: fc.boolean(), waitMs: fc.nat(200) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const bench = new Bench();
        const truth = new Map<string, [number, number]>();
        for (const { kind, isEgress, waitMs } of steps) {
          const octets = sealed(kinds[kind]!(), data);
          bench.feed(isEgress ? 'egress' : 'ingress', octets);
          const key = `${kind} ${isEgress}`;
          const [packets, sum] = truth.get(key) ?? [0, 0];
          truth.set(key, [packets + 1, sum + octets.length]);
          bench.pass(waitMs);
        }
        bench.pass(60_000);
        const counted = bench.take().map((record) => [record.packetDeltaCount, record.octetDeltaCount]);
        expect(counted.sort()).toEqual([...truth.values()].sort());
      }),
      { numRuns: 40 },
    );
  });

  test('of an ICMP echo has its identifier as both ports; of a protocol without ports, 0', () => {
    const bench = new Bench();
    const unreachable = buildEcho({ ...ends, identifier: 77 });
    unreachable[20] = 3;
    bench.feed('ingress', [
      buildEcho({ ...ends, identifier: 77 }),
      unreachable,
      buildIp(ends, 50, new Uint8Array(40).fill(9)),
    ]);
    bench.pass(20_000);
    expect(
      bench.take().map((r) => [r.protocolIdentifier, r.sourceTransportPort, r.destinationTransportPort]),
    ).toEqual([
      [ip.ICMP, 77, 77],
      [ip.ICMP, 0, 0],
      [50, 0, 0],
    ]);
  });

  test('ingress and egress of one 5-tuple are two flows', () => {
    const bench = new Bench();
    bench.feed('ingress', buildUdp(ends));
    bench.feed('egress', [buildUdp(ends), buildUdp(ends)]);
    bench.pass(20_000);
    expect(bench.take().map((r) => [r.flowDirection, r.packetDeltaCount])).toEqual([
      [flowDirections.ingress, 1],
      [flowDirections.egress, 2],
    ]);
  });
});

describe('a flow’s record is made', () => {
  test.each([
    [14_999, []],
    [15_000, [idleTimeout]],
    [15_001, [idleTimeout]],
  ])('after idle time: %i ms of 15000', (waitMs, reasons) => {
    const bench = new Bench();
    bench.feed('ingress', buildUdp(ends));
    bench.pass(waitMs);
    expect(bench.take().map(({ flowEndReason }) => flowEndReason)).toEqual(reasons);
  });

  test('at the active timeout, and the flow goes on in a new one: no packet is lost between them', () => {
    const bench = new Bench({ idleMs: 1000, activeMs: 5000 });
    for (let count = 0; count < 120; count += 1) {
      bench.feed('ingress', buildUdp(ends));
      bench.pass(100);
    }
    bench.pass(1000);
    const records = bench.take();
    expect(records.map(({ flowEndReason }) => flowEndReason)).toEqual([
      activeTimeout,
      activeTimeout,
      idleTimeout,
    ]);
    expect(records.map(({ flowStartSysUpTime }) => flowStartSysUpTime)).toEqual([0, 5000, 10000]);
    expect(records.reduce((sum, { packetDeltaCount }) => sum + packetDeltaCount, 0)).toBe(120);
  });

  test.each([
    [1999, []],
    [2000, [endOfFlow]],
  ])('after an RST: %i ms of 2000', (waitMs, reasons) => {
    const bench = new Bench();
    bench.feed('ingress', buildTcp({ ...ends, flags: tcp.RST }));
    bench.pass(waitMs);
    expect(bench.take().map(({ flowEndReason }) => flowEndReason)).toEqual(reasons);
  });

  test('where a new connection takes over the 5-tuple of one that closed', () => {
    const bench = new Bench();
    const segment = (flags: number): Uint8Array => buildTcp({ ...ends, flags });
    bench.feed('ingress', [segment(tcp.SYN), segment(tcp.FIN | tcp.ACK), segment(tcp.ACK), segment(tcp.SYN)]);
    expect(bench.take().map((r) => [r.packetDeltaCount, r.flowEndReason])).toEqual([[3, endOfFlow]]);
    bench.pass(15_000);
    expect(bench.take().map((r) => [r.packetDeltaCount, r.tcpControlBits])).toEqual([[1, tcp.SYN]]);
  });

  test('in time even where housekeeping has not come to it', () => {
    const bench = new Bench({ idleMs: 1000 });
    bench.feed('ingress', buildUdp(ends));
    bench.clock.advance(1500);
    bench.feed('ingress', buildUdp(ends));
    expect(bench.take()).toMatchObject([{ flowEndReason: idleTimeout, flowEndSysUpTime: 0 }]);
  });

  test('when the node stops, and then no second time', () => {
    const records: FlowRecord[] = [];
    const bench = new Bench();
    bench.feed('egress', buildUdp(ends));
    bench.stop();
    bench.stop();
    records.push(...bench.take());
    expect(records.map(({ flowEndReason }) => flowEndReason)).toEqual([forcedEnd]);
  });
});

test('a full table takes no further flow, counts what it misses, loses nothing it has, and recovers', () => {
  const bench = new Bench({ capacity: 4 });
  const flows = Array.from({ length: 10 }, (_, index) => buildUdp({ ...ends, sport: 1000 + index }));
  expect(bench.feed('ingress', [...flows, ...flows])).toHaveLength(20);
  expect(bench.counters['unobserved']).toBe(12);
  bench.pass(20_000);
  expect(bench.take().map((r) => [r.sourceTransportPort, r.packetDeltaCount])).toEqual(
    [0, 1, 2, 3].map((index) => [1000 + index, 2]),
  );
  bench.feed('ingress', flows[9]!);
  expect(bench.counters).toEqual({ unobserved: 12, recorded: 4 });
});

test('changes no packet and drops none: it has no drop reason', () => {
  expect(flowMonitorDescriptor.drops).toEqual({});
});
