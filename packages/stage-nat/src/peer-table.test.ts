import { flowKey, seededRandom, setDestination, setPorts, setSource, type FlowKey } from '@ngisec/core';
import { ip, parseAddress } from '@ngisec/wire';
import { PEER_TABLE_FULL, PeerTable, STACK_TUPLE_IN_USE } from './peer-table.ts';

const [HOST_1, HOST_2, UNKNOWN] = [4, 5, -1];
const [EMITTED, SERVICE] = [40000, 80];

/** As this host, 10.2.0.2 with its server at 8080, sends to the public address before its peers. */
function outer(port: number, protocol: number = ip.TCP): FlowKey {
  const key = flowKey();
  key[9] = (4 << 8) | protocol;
  setSource(key, parseAddress('10.2.0.2')!, 0, 4);
  setDestination(key, parseAddress('198.51.100.2')!, 0, 4);
  setPorts(key, 8080, port);
  return key;
}

const tableOf = (capacity = 8): PeerTable => new PeerTable(seededRandom(1), capacity);
const learn = (table: PeerTable, port: number, channel: number, isFresh = false, atMs = 0): number =>
  table.learn(outer(port), EMITTED, SERVICE, channel, isFresh, atMs);
const stackOf = (table: PeerTable, flow: number): number[] => {
  const key = flowKey();
  table.readStack(flow, key);
  return [...key];
};
const outerOf = (table: PeerTable, flow: number): number[] => {
  const key = flowKey();
  table.readOuter(flow, key);
  return [...key];
};

test('#82 a flow has the tuple it came with and the ports its peer emits', () => {
  const table = tableOf();
  const flow = learn(table, 40000, HOST_1, true);
  expect([table.findOuter(outer(40000)), table.findStack(outer(40000))]).toEqual([flow, flow]);
  expect([table.emittedSource(flow), table.emittedDestination(flow)]).toEqual([EMITTED, SERVICE]);
  expect([table.isRemapped(flow), table.size]).toEqual([false, 1]);
});

test('#27 a repeated control packet makes no second flow', () => {
  const table = tableOf();
  expect(learn(table, 40000, HOST_1, true)).toBe(learn(table, 40000, HOST_1, true));
  expect(learn(table, 40000, HOST_1)).toBe(learn(table, 40000, UNKNOWN));
  expect(table.size).toBe(1);
});

test('#117 two peers behind one address with equal ports are two flows, told apart by their SAs', () => {
  const table = tableOf();
  const [one, two] = [learn(table, 40000, HOST_1, true), learn(table, 1024, HOST_2, true)];
  expect(one).not.toBe(two);
  expect(learn(table, 5000, HOST_2)).toBe(two);
  expect(outerOf(table, one)).toEqual([...outer(40000)]);
});

test('#81 #83 a remapped flow keeps what the stack knows, and leaves by the new tuple', () => {
  const table = tableOf();
  const flow = learn(table, 40000, HOST_1, true);
  expect(learn(table, 5000, HOST_1)).toBe(flow);
  expect(stackOf(table, flow)).toEqual([...outer(40000)]);
  expect(outerOf(table, flow)).toEqual([...outer(5000)]);
  expect(table.isRemapped(flow)).toBe(true);
  expect([table.findOuter(outer(5000)), table.findOuter(outer(40000))]).toEqual([flow, -1]);
  expect(learn(table, 40000, HOST_1)).toBe(flow);
  expect(table.isRemapped(flow)).toBe(false);
});

test('#81 a connection that opens anew from the same ports is no remapped one', () => {
  const table = tableOf();
  const first = learn(table, 40000, HOST_1, true);
  const second = learn(table, 5000, HOST_1, true);
  expect(second).not.toBe(first);
  expect(stackOf(table, second)).toEqual([...outer(5000)]);
  // From here on the ports mean the new one.
  expect(learn(table, 6000, HOST_1)).toBe(second);
});

test('#81 #117 two flows whose NAT swaps their ports find each other again, and meanwhile neither has the other’s way', () => {
  const table = tableOf();
  const [one, two] = [learn(table, 40000, HOST_1, true), learn(table, 40001, HOST_2, true)];
  expect(learn(table, 40001, HOST_1)).toBe(one);
  expect([table.hasOuter(one), table.hasOuter(two)]).toEqual([true, false]);
  expect(table.findOuter(outer(40001))).toBe(one);
  expect(learn(table, 40000, HOST_2)).toBe(two);
  expect([stackOf(table, one), stackOf(table, two)]).toEqual([[...outer(40000)], [...outer(40001)]]);
  expect([outerOf(table, one), outerOf(table, two)]).toEqual([[...outer(40001)], [...outer(40000)]]);
});

test('a tuple that the stack still knows as a remapped flow’s is not given to another', () => {
  const table = tableOf();
  learn(table, 40000, HOST_1, true);
  learn(table, 5000, HOST_1);
  expect(learn(table, 40000, HOST_2, true)).toBe(STACK_TUPLE_IN_USE);
});

test('#117 where the channel shows late, as in n2n, it is noted then; another peer with those ports takes them over', () => {
  const table = tableOf();
  const one = learn(table, 40000, UNKNOWN, true);
  table.identify(one, HOST_1);
  table.identify(one, HOST_1);
  const two = learn(table, 1024, UNKNOWN, true);
  table.identify(two, HOST_2);
  expect([learn(table, 5000, HOST_1), learn(table, 5001, HOST_2)]).toEqual([one, two]);
});

test('full is full, until a flow idles out at its limit and not before', () => {
  const table = tableOf(2);
  table.learn(outer(1, ip.UDP), EMITTED, SERVICE, HOST_1, false, 0);
  table.learn(outer(2, ip.ICMP), 7, 7, HOST_1, false, 0);
  expect(learn(table, 3, HOST_2, true)).toBe(PEER_TABLE_FULL);
  expect([table.sweep(60_000, 2), table.sweep(60_001, 2), table.size]).toEqual([0, 1, 1]);
  const tcp = learn(table, 3, HOST_2, true, 60_001);
  expect([table.sweep(300_000, 2), table.sweep(300_001, 2), table.size]).toEqual([0, 1, 1]);
  table.touch(tcp, 100_000);
  expect([table.sweep(7_540_000, 2), table.sweep(7_540_001, 2), table.size]).toEqual([0, 1, 0]);
});
