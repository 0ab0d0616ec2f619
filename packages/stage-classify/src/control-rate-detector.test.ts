import { seededRandom } from '@ngisec/core';
import { buildEcho, buildTcp, buildUdp, EspTunnel, preparePacket, StageBench } from '@ngisec/testkit';
import { tcp } from '@ngisec/wire';
import { sealed } from '../test/sealed.ts';
import { TestSad } from '../test/secure-channels.ts';

import { controlRateDetector, type ControlRateAlarm } from './control-rate-detector.ts';

const BATCH = 200;
const SERVER = '10.2.0.2';

/** A detector in virtual time, and the alarms it raised and cleared. */
class Bench {
  readonly alarms: ControlRateAlarm[] = [];
  readonly stage: StageBench;

  constructor(options: Readonly<Record<string, number>> = {}) {
    const sink = { next: (alarm: ControlRateAlarm) => void this.alarms.push(alarm) };
    const factory = controlRateDetector(seededRandom(96), sink);
    this.stage = new StageBench(factory, {
      prepare: preparePacket,
      options: { raisePerSecond: 100, ...options },
    });
  }

  /** Spreads packets evenly over a time, in batches; every one comes out as it went in, in order. */
  offer(packets: readonly Uint8Array[], durationMs: number): void {
    const perStep = Math.min(BATCH, Math.max(1, Math.round(packets.length / (durationMs / 10))));
    const steps = Math.ceil(packets.length / perStep);
    for (let step = 0; step < steps; step += 1) {
      const portion = packets.slice(step * perStep, (step + 1) * perStep);
      const passed = this.stage.feed('in', portion).map(({ octets }) => octets);
      expect(Buffer.compare(Buffer.concat(passed), Buffer.concat(portion))).toBe(0);
      this.stage.pass(durationMs / steps);
    }
  }

  get events(): string[] {
    return this.alarms.map(({ event, address, port }) => `${event} ${address} ${port}`);
  }
}

/** `count` connection requests to one place from as many ports and hosts. */
const requests = (count: number, dst = SERVER, dport = 80, source = '10.1.0.'): Uint8Array[] =>
  Array.from({ length: count }, (_, index) =>
    buildTcp({
      src: `${source}${2 + (index % 200)}`,
      dst,
      sport: 1024 + index,
      dport,
      seq: index,
      flags: tcp.SYN,
    }),
  );

const control = new TestSad().addChannel('gateway', 'control', '10.0.0.0/8', 'fd00::/8');

describe('#96 a SYN flood through encrypted traffic', () => {
  const flood = requests(600);

  test('is detected under protection: one alarm, with address and port, at the rate it was told', () => {
    const bench = new Bench();
    bench.offer(
      flood.map((octets) => sealed(octets, control)),
      3000,
    );
    expect(bench.alarms).toEqual([
      {
        event: 'raised',
        detector: 'subject',
        address: SERVER,
        port: 80,
        synsPerSecond: 100,
        atMs: expect.any(Number),
      },
    ]);
    // 200 a second pass 100 after half an interval.
    expect(bench.alarms[0]!.atMs).toBeGreaterThanOrEqual(490);
    expect(bench.alarms[0]!.atMs).toBeLessThanOrEqual(510);
    expect(bench.stage.counters).toEqual({ syns: 600, raised: 1, cleared: 0, unlisted: 0 });
  });

  test('cannot be detected inside an ESP tunnel, though packets, rate and time are the same', () => {
    const bench = new Bench();
    const tunnel = new EspTunnel('10.1.0.1', '10.2.0.1', 0x1000, new Uint8Array(20).fill(7));
    bench.offer(
      flood.map((octets) => tunnel.wrap(octets)),
      3000,
    );
    expect(bench.alarms).toEqual([]);
    expect(bench.stage.counters).toEqual({ syns: 0, raised: 0, cleared: 0, unlisted: 0 });
  });

  test('over IPv6', () => {
    const bench = new Bench();
    const packets = requests(300, 'fd02::2', 443, 'fd01::').map((octets) => sealed(octets, control));
    bench.offer(packets, 1000);
    expect(bench.events).toEqual(['raised fd02::2 443']);
  });

  test('is found among connection requests to ten thousand other places', () => {
    const bench = new Bench();
    const others = Array.from(
      { length: 10_000 },
      (_, index) => requests(1, `10.${3 + (index >>> 8)}.${index & 255}.9`, 80)[0]!,
    );
    const mixed = flood
      .slice(0, 300)
      .flatMap((request, index) => [request, ...others.slice(index * 33, (index + 1) * 33)]);
    bench.offer(mixed, 1000);
    expect(bench.events).toEqual([`raised ${SERVER} 80`]);
  });
});

describe('#96 no false alarm', () => {
  test('on a minute of normal traffic: many connections to many servers, their data, UDP, pings', () => {
    const bench = new Bench();
    const random = seededRandom(1);
    const packets = Array.from({ length: 60 * 400 }, (_, index) => {
      const ends = {
        src: `10.1.0.${2 + random.integer(250)}`,
        dst: `10.2.0.${2 + random.integer(20)}`,
        dport: [80, 443, 22][index % 3]!,
        sport: 1024 + random.integer(60000),
      };
      const kind = random.integer(10);
      if (kind < 2) return buildTcp({ ...ends, flags: tcp.SYN });
      if (kind < 4)
        return buildTcp({
          ...ends,
          src: ends.dst,
          dst: ends.src,
          sport: ends.dport,
          dport: ends.sport,
          flags: tcp.SYN | tcp.ACK,
        });
      if (kind < 8) return buildTcp({ ...ends, payload: new Uint8Array(20) });
      return kind === 8 ? buildUdp(ends) : buildEcho(ends);
    });
    bench.offer(packets, 60_000);
    expect(bench.alarms).toEqual([]);
    expect(bench.stage.counters['syns']).toBeGreaterThan(4000);
  });

  test('on many answers to one client, and on data however fast', () => {
    const bench = new Bench();
    const ends = { src: SERVER, dst: '10.1.0.2', sport: 80, dport: 40000 };
    const segment = [
      buildTcp({ ...ends, flags: tcp.SYN | tcp.ACK }),
      buildTcp(ends),
      buildTcp({ ...ends, flags: tcp.FIN | tcp.ACK }),
    ];
    bench.offer(
      Array.from({ length: 3000 }, (_, index) => segment[index % 3]!),
      1000,
    );
    expect(bench.alarms).toEqual([]);
  });

  test.each([
    [99, []],
    [100, [`raised ${SERVER} 80`]],
    [101, [`raised ${SERVER} 80`]],
  ])('%i requests in one interval of a limit of 100: %j', (count, events) => {
    const bench = new Bench();
    bench.offer(requests(count), 900);
    expect(bench.events).toEqual(events);
  });

  test('another port of the same host is another destination', () => {
    const bench = new Bench();
    bench.offer([...requests(80), ...requests(80, SERVER, 81)], 900);
    expect(bench.events).toEqual([]);
  });
});

describe('an alarm', () => {
  test('stays up between the two rates, is cleared below the lower one, and says how high it went', () => {
    const bench = new Bench();
    bench.offer(requests(250), 1000);
    for (let second = 0; second < 5; second += 1) bench.offer(requests(60), 1000);
    expect(bench.events).toEqual([`raised ${SERVER} 80`]);
    bench.offer(requests(40), 1000);
    expect(bench.alarms[1]).toMatchObject({
      event: 'cleared',
      address: SERVER,
      port: 80,
      synsPerSecond: 250,
      atMs: 7000,
    });
    bench.offer(requests(60), 1000);
    expect(bench.events).toHaveLength(2);
    bench.offer(requests(120), 1000);
    expect(bench.events.slice(2)).toEqual([`raised ${SERVER} 80`]);
  });

  test('is cleared after silence, by the clock alone', () => {
    const bench = new Bench();
    bench.offer(requests(150), 500);
    bench.stage.pass(400);
    expect(bench.events).toHaveLength(1);
    // One packet more in the second interval: the first was not calm, the second is.
    bench.stage.pass(200);
    expect(bench.events).toHaveLength(1);
    bench.stage.pass(1000);
    expect(bench.events).toEqual([`raised ${SERVER} 80`, `cleared ${SERVER} 80`]);
  });

  test('many at once take no more room than was given; the rest is counted', () => {
    const bench = new Bench({ alarms: 3 });
    for (let port = 1; port <= 5; port += 1) bench.offer(requests(110, SERVER, port), 100);
    expect(bench.events).toEqual([1, 2, 3].map((port) => `raised ${SERVER} ${port}`));
    expect(bench.stage.counters['unlisted']).toBe(2 * 11);
    bench.stage.pass(3000);
    expect(bench.events.slice(3).sort()).toEqual([1, 2, 3].map((port) => `cleared ${SERVER} ${port}`));
    bench.offer(requests(110, SERVER, 4), 100);
    expect(bench.events.at(-1)).toBe(`raised ${SERVER} 4`);
  });
});
