import { PacketPool } from '@ngisec/core';
import { chooseProvider, shim, Sad } from '@ngisec/ipsec';
import { buildTcp, buildUdp, preparePacket, stageCompliance, StageBench } from '@ngisec/testkit';
import { ip, ipv4, ipv6, parsePrefix } from '@ngisec/wire';
import { codePoints, dscpMarker } from './dscp-marker.ts';

const families = [
  { family: 4, ends: { src: '10.1.0.2', dst: '10.2.0.3' } },
  { family: 6, ends: { src: 'fd01::2', dst: 'fd02::3' } },
] as const;
const payload = Uint8Array.from({ length: 40 }, (_, index) => index);

const marker = (phb: string): StageBench =>
  new StageBench(dscpMarker, { prepare: preparePacket, options: { phb } });

test('the code points of the standard per-hop behaviours (RFC 2474, 2597, 3246, 5865)', () => {
  expect(codePoints).toEqual({
    ...{ default: 0, ef: 46, 'voice-admit': 44 },
    ...{
      af11: 10,
      af12: 12,
      af13: 14,
      af21: 18,
      af22: 20,
      af23: 22,
      af31: 26,
      af32: 28,
      af33: 30,
      af41: 34,
      af42: 36,
      af43: 38,
    },
    ...{ cs1: 8, cs2: 16, cs3: 24, cs4: 32, cs5: 40, cs6: 48, cs7: 56 },
  });
});

describe.each(families)('#123 IPv$family', ({ family, ends }) => {
  test.each(Object.entries(codePoints))(
    '%s (%d): over any of 64 code points and 4 ECN values, only the code point changes',
    (phb, point) => {
      const bench = marker(phb);
      for (let dscp = 0; dscp < 64; dscp += 1) {
        for (let ecn = 0; ecn < 4; ecn += 1) {
          const [marked] = bench.feed('in', buildTcp({ ...ends, sport: 1, dport: 2, dscp, ecn, payload }));
          expect(marked!.octets).toEqual(
            buildTcp({ ...ends, sport: 1, dport: 2, dscp: point, ecn, payload }),
          );
        }
      }
      expect(bench.counters).toEqual({ marked: 63 * 4 });
    },
  );

  test('writing any of 64 code points keeps ECN and the checksum', () => {
    for (let point = 0; point < 64; point += 1) {
      for (let ecn = 0; ecn < 4; ecn += 1) {
        const octets = buildUdp({ ...ends, sport: 1, dport: 2, dscp: 0x15, ecn, payload });
        if (family === 4) ipv4.setDscpWithChecksum(octets, 0, point);
        else ipv6.setDscp(octets, 0, point);
        expect(octets).toEqual(buildUdp({ ...ends, sport: 1, dport: 2, dscp: point, ecn, payload }));
      }
    }
  });

  test('a packet marked on its way still opens: no ICV covers the field', () => {
    const sad = new Sad(chooseProvider('node').provider);
    const sa = {
      spi: 300,
      suite: 'aes-128-gcm',
      keyMaterial: new Uint8Array(20).fill(9),
      scope: 'full',
    } as const;
    const peers = [parsePrefix(ends.src)!];
    const channel = sad.add({ name: 'self', role: 'both', peers, inbound: sa, outbound: sa });
    const pool = new PacketPool({ packets: 1 });
    const original = buildTcp({ ...ends, sport: 1, dport: 2, dscp: 10, ecn: 1, payload });
    for (const phb of Object.keys(codePoints)) {
      const packet = pool.allocateCopy(original);
      preparePacket(pool, packet);
      expect(shim.seal(pool, packet, channel.outbound)).toBe(shim.SEAL_OK);
      const [marked] = marker(phb).feed('in', pool.octets(packet), { checksumPending: 1 });
      pool.release(packet);
      const arrived = pool.allocateCopy(marked!.octets);
      preparePacket(pool, arrived);
      expect(shim.open(pool, arrived, sad.findInbound(300)!)).toBe(shim.OPEN_OK);
      const opened = pool.octets(arrived);
      ip.completeTransportChecksum(opened, 0, marked!.headerBytes - 20, opened.length, family, ip.TCP);
      expect(opened).toEqual(
        buildTcp({ ...ends, sport: 1, dport: 2, dscp: codePoints[phb]!, ecn: 1, payload }),
      );
      pool.release(arrived);
    }
  });
});

const validPackets = families.flatMap(({ ends }) => [
  buildTcp({ ...ends, sport: 1, dport: 2 }),
  buildUdp({ ...ends, sport: 1, dport: 2, dscp: 46, payload }),
]);
for (const { name, run } of stageCompliance({ factory: dscpMarker, options: { phb: 'ef' }, validPackets }))
  test(name, run);
