import { Batch, PacketPool } from '@ngisec/core';
import { ip, ipv4, parseAddress } from '@ngisec/wire';
import { LinkError } from '../src/link-error.ts';
import { TunDevice } from '../src/tun-device.ts';
import { describeNetwork, Network } from './network.ts';
import { build, segment } from './super-packet.ts';

const SEGMENTS = 40;
const TTL = 64;
const addresses = { 4: ['10.8.1.2', '10.8.2.2'], 6: ['fd81::2', 'fd82::2'] } as const;

let network: Network;
const devices: TunDevice[] = [];
beforeEach(() => {
  network = new Network();
});
afterEach(() => {
  for (const device of devices.splice(0)) device.close();
  return network.dispose();
});

function open(namespace: string, offload: boolean, pool: PacketPool, name = 'tun%d'): TunDevice {
  const device = network.inside(namespace, () => TunDevice.open({ name, offload }, pool));
  devices.push(device);
  return device;
}

/** Two TUNs of one router: what is written to the first is forwarded to the second. */
function router(offloads: [boolean, boolean], pools: [PacketPool, PacketPool]): [TunDevice, TunDevice] {
  const namespace = network.add('r');
  network.run(namespace, 'sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1');
  const tuns = offloads.map((offload, index) => open(namespace, offload, pools[index]!));
  for (const [index, { name }] of tuns.entries()) {
    network.run(
      namespace,
      `sysctl -qw net.ipv6.conf.${name}.addr_gen_mode=1 net.ipv4.conf.${name}.rp_filter=0`,
    );
    network.run(namespace, `ip link set ${name} up`);
    network.run(namespace, `ip route add 10.8.${index + 1}.0/24 dev ${name}`);
    network.run(namespace, `ip route add fd8${index + 1}::/64 dev ${name}`);
  }
  return tuns as [TunDevice, TunDevice];
}

/** Forty segments of 1000 octets, the last of 500, as one connection's process would send them. */
function segments(family: 4 | 6, pool: PacketPool): Batch {
  const bytes = build({ family, payloadBytes: SEGMENTS * 1000 - 500, flags: 0x18 });
  const [source, destination] = addresses[family];
  bytes.set(parseAddress(source)!, ip.sourceOffset(family));
  bytes.set(parseAddress(destination)!, ip.destinationOffset(family));
  if (family === 4) ipv4.completeChecksum(bytes, 0);
  return segment(bytes, 1000, pool);
}

/** The packet as it should arrive: checksum complete, `hops` taken off. */
function expected(pool: PacketPool, packet: number, family: 4 | 6, hops: number): Uint8Array {
  const start = pool.start[packet]!;
  const { bytes } = pool;
  ip.completeTransportChecksum(bytes, start, pool.transport[packet]!, pool.end[packet]!, family, ip.TCP);
  const octets = pool.octets(packet);
  if (family === 6) octets[7]! -= hops;
  else ipv4.setTimeToLiveWithChecksum(octets, 0, TTL - hops);
  return octets;
}

/** The router's own multicast listener reports (RFC 3810), which start with a hop-by-hop header. */
const isListenerReport = (octets: Uint8Array): boolean => octets[0]! >>> 4 === 6 && octets[6] === 0;
let reports = 0;

/** Receives until `count` packets came, and completes their checksums. */
function receive(device: TunDevice, pool: PacketPool, count: number): Uint8Array[] {
  reports = 0;
  const batch = new Batch(pool);
  const packets: Uint8Array[] = [];
  while (packets.length < count && device.wait(1000)) {
    device.receive(batch);
    expect(pool.available).toBeGreaterThanOrEqual(pool.capacity / 2);
    for (let index = 0; index < batch.length; index += 1) {
      const packet = batch.packets[index]!;
      if (pool.checksumPending[packet] === 1) {
        const place = [pool.start[packet]!, pool.transport[packet]!, pool.end[packet]!] as const;
        ip.completeTransportChecksum(pool.bytes, ...place, pool.family[packet]!, pool.protocol[packet]!);
      }
      const octets = pool.octets(packet);
      if (isListenerReport(octets)) reports += 1;
      else packets.push(octets);
      pool.release(packet);
    }
    batch.clear();
  }
  return packets;
}

describeNetwork('TunDevice', () => {
  test.each([
    [4, true, true],
    [4, true, false],
    [4, false, true],
    [6, true, true],
    [6, true, false],
    [6, false, false],
  ] as const)('inbound IPv%i segments arrive as they were, offload %s to %s', (family, from, to) => {
    const pools: [PacketPool, PacketPool] = [
      new PacketPool({ packets: 128 }),
      new PacketPool({ packets: 64 }),
    ];
    const [first, second] = router([from, to], pools);
    const sent = segments(family, pools[0]);
    const wanted = Array.from(sent.packets.subarray(0, sent.length), (packet) =>
      expected(pools[0], packet, family, 1),
    );
    expect(first.transmit(sent, 'inbound')).toBe(0);
    expect(pools[0].available).toBe(128);
    expect(receive(second, pools[1], SEGMENTS)).toEqual(wanted);
    expect(first.counters.writes).toBe(from ? 1 : SEGMENTS);
    expect(second.counters.reads - reports).toBe(from && to ? 1 : SEGMENTS);
    expect(pools[1].available).toBe(64);
  });

  test.each([4, 6] as const)(
    'outbound IPv%i packets leave one by one, complete, and lose no hop',
    (family) => {
      const pools: [PacketPool, PacketPool] = [
        new PacketPool({ packets: 128 }),
        new PacketPool({ packets: 128 }),
      ];
      const [first, second] = router([true, true], pools);
      const sent = segments(family, pools[0]);
      const wanted = Array.from(sent.packets.subarray(0, sent.length), (packet) =>
        expected(pools[0], packet, family, 0),
      );
      first.transmit(sent, 'outbound');
      expect(receive(second, pools[1], SEGMENTS)).toEqual(wanted);
      expect(first.counters.writes).toBe(SEGMENTS);
    },
  );

  test('a TTL of 255 stays, for there is no larger one', () => {
    const pools: [PacketPool, PacketPool] = [new PacketPool(), new PacketPool()];
    const [first, second] = router([false, false], pools);
    const sent = segments(4, pools[0]);
    sent.length = 1;
    ipv4.setTimeToLiveWithChecksum(pools[0].bytes, pools[0].start[sent.packets[0]!]!, 255);
    first.transmit(sent, 'outbound');
    const [packet] = receive(second, pools[1], 1);
    expect(packet![8]).toBe(254);
    expect(ipv4.hasValidChecksum(packet!, 0)).toBe(true);
  });

  test('what is no packet is refused and counted, its slot given back', () => {
    const pool = new PacketPool({ packets: 4 });
    const [device] = router([true, true], [pool, new PacketPool()]);
    const batch = new Batch(pool);
    batch.push(pool.allocateCopy(Uint8Array.from({ length: 40 }, () => 0xff)));
    expect(device.transmit(batch, 'inbound')).toBe(1);
    expect(pool.available).toBe(4);
  });

  test('packets larger than a slot takes are dropped and counted', () => {
    const pools: [PacketPool, PacketPool] = [new PacketPool(), new PacketPool({ slotBytes: 1024 })];
    const [first, second] = router([false, false], pools);
    const sent = segments(4, pools[0]);
    first.transmit(sent, 'inbound');
    // Only the last, of 500 octets and headers, fits.
    expect(receive(second, pools[1], 1)).toHaveLength(1);
    expect(second.counters.oversized).toBe(SEGMENTS - 1);
  });

  test('waiting ends in time where nothing comes', () => {
    const device = open(network.add('r'), true, new PacketPool());
    expect(device.wait(10)).toBe(false);
    expect(device.receive(new Batch(new PacketPool()))).toBe(0);
  });

  test('a name in use, a name that is none, and an interface that went are LinkErrors', () => {
    const namespace = network.add('r');
    const pool = new PacketPool();
    const device = open(namespace, true, pool, 'ngisec7');
    expect(device.name).toBe('ngisec7');
    expect(network.run(namespace, 'ip link show ngisec7')).toContain('qlen 2000');
    expect(() => open(namespace, true, pool, 'ngisec7')).toThrow('EBUSY');
    expect(() => open(namespace, true, pool, 'a name/too')).toThrow(LinkError);
    network.run(namespace, 'ip link del ngisec7');
    expect(() => device.receive(new Batch(pool))).toThrow(LinkError);
    expect(pool.available).toBe(pool.capacity);
  });
});
