import { createDecipheriv } from 'node:crypto';
import { EspTunnel } from './esp-tunnel.ts';
import { parseIp, type IpPacket } from './ip-packet.ts';
import { buildTcp } from './packet-builders.ts';

const material = Uint8Array.from({ length: 20 }, (_, index) => index);

/** Opens what RFC 4303 and RFC 4106 say, with nothing of the tunnel's own. */
function unwrap(esp: Buffer): { plain: Buffer; spi: number; sequence: number } {
  const nonce = Buffer.concat([material.subarray(16), esp.subarray(8, 16)]);
  const decipher = createDecipheriv('aes-128-gcm', material.subarray(0, 16), nonce);
  decipher.setAAD(esp.subarray(0, 8));
  decipher.setAuthTag(esp.subarray(-16));
  const plain = Buffer.concat([decipher.update(esp.subarray(16, -16)), decipher.final()]);
  return { plain, spi: esp.readUInt32BE(0), sequence: esp.readUInt32BE(4) };
}

test.each([
  ['IPv4', { src: '10.1.0.2', dst: '10.2.0.2' }, { src: '192.0.2.1', dst: '192.0.2.2' }, 4],
  ['IPv6 in IPv4', { src: 'fd01::2', dst: 'fd02::2' }, { src: '192.0.2.1', dst: '192.0.2.2' }, 41],
  ['IPv4 in IPv6', { src: '10.1.0.2', dst: '10.2.0.2' }, { src: '2001:db8::1', dst: '2001:db8::2' }, 4],
])('%s: an ESP packet of tunnel mode, each with its own sequence number', (_, ends, outer, nextHeader) => {
  const tunnel = new EspTunnel(outer.src, outer.dst, 0x1234, material);
  for (let sequence = 1; sequence <= 5; sequence += 1) {
    const inner = buildTcp({ ...ends, sport: 1, dport: 80, payload: new Uint8Array(sequence) });
    const octets = tunnel.wrap(inner);
    const parsed = parseIp(octets) as IpPacket;
    expect(parsed.protocol).toBe(50);
    const opened = unwrap(Buffer.from(octets.subarray(parsed.transport)));
    const padding = opened.plain.at(-2)!;
    expect(opened).toMatchObject({ spi: 0x1234, sequence });
    expect(opened.plain.at(-1)).toBe(nextHeader);
    expect(Buffer.compare(opened.plain.subarray(0, -2 - padding), inner)).toBe(0);
    expect(opened.plain.length % 4).toBe(0);
  }
});
