import { complaintOf, exchange, KEYS } from '../test/workbench.ts';
const inKeys = (passage: string, other: string): Promise<string> => complaintOf({ keys: exchange(KEYS, passage, other) });
const SECOND = KEYS.replace('channels:\n', '').replace('4096', '4098').replace('4097', '4099').replace('bob', 'carol').replace('0011', 'aa11').replace('ffee', 'bbee');
test.each([
  ['key too short', '0011', '', ''],
  ['not hex', '0011', '00g1', ''],
  ['digits only', '00112233445566778899aabbccddeeff01020304', '1'.repeat(40), ''],
  ['reserved', '4096', '255', ''],
  ['too large', '4096', '0x100000000', ''],
  ['same', 'ffeeddccbbaa9988776655443322110005060708', '00112233445566778899AABBCCDDEEFF01020304', ''],
  ['role', 'both', 'control-and-data', ''],
  ['suite', 'aes-128-gcm', 'aes-128-gmc', ''],
  ['window', 'spi: 4096,', 'spi: 4096, windowPackets: 1000,', ''],
  ['peer', '198.51.100.0/24', 'gateway-b', ''],
  ['unknown', 'inbound', 'inbond', ''],
])('%s', async (_, passage, other, said) => {
  expect(await inKeys(passage, other)).toBe(said);
});
test.each([
 ['ok', SECOND],
 ['name', SECOND.replace('carol', 'bob')],
 ['spi', SECOND.replace('4098', '4096')],
 ['key', SECOND.replace('aa11', '0011')],
])('%s', async (_, more) => { expect(await complaintOf({ keys: KEYS + more})).toBe(''); });
