// Octets that protection adds to a packet: our forms, encoded, beside others, computed: node bench/overhead.mjs [--json]
import { PacketPool } from '@ngisec/core';
import {
  chooseProvider,
  controlMessage,
  keyMaterialBytes,
  nextHeaders,
  Sad,
  shim,
  suites,
} from '@ngisec/ipsec';
import { duplicator } from '@ngisec/stage-nat';
import { buildTcp, buildUdp, preparePacket, StageBench } from '@ngisec/testkit';
import { parsePrefix } from '@ngisec/wire';

const help = `usage: npm run bench -- overhead [--json]

Octets added to an unprotected packet, from the least to the most over all payload lengths, and the mean over an IMIX:
7 packets of 40 octets, 4 of 576, 1 of 1500, IP header included (40 stands for the headers alone where they are longer).
Forms marked = are encoded by this project's own code; the others are computed from the formula given.`;

const IMIX = [
  { octets: 40, packets: 7 },
  { octets: 576, packets: 4 },
  { octets: 1500, packets: 1 },
];
const UDP_BYTES = 8;
const TCP_BYTES = 20;
const LENGTHS = Array.from({ length: 64 }, (_, length) => length);

/** The four kinds of packets compared; none has options. */
const kinds = [4, 6].flatMap((family) =>
  ['TCP', 'UDP'].map((protocol) => {
    const ipBytes = family === 4 ? 20 : 40;
    const headerBytes = ipBytes + (protocol === 'TCP' ? TCP_BYTES : UDP_BYTES);
    return { name: `IPv${family} ${protocol}`, family, protocol, ipBytes, headerBytes };
  }),
);

const addresses = { 4: { src: '10.1.0.2', dst: '10.2.0.2' }, 6: { src: 'fd01::2', dst: 'fd02::2' } };

function clearPacket({ family, protocol }, payload) {
  const fields = { ...addresses[family], sport: 40000, dport: 443, payload };
  return protocol === 'TCP' ? buildTcp(fields) : buildUdp(fields);
}

const pool = new PacketPool({ packets: 1 });
const { provider } = chooseProvider();

function outboundSa(suite, scope) {
  const sa = (spi) => ({
    spi,
    suite,
    scope,
    keyMaterial: Uint8Array.from({ length: keyMaterialBytes(suite) }, (_, index) => spi + index),
  });
  const sad = new Sad(provider);
  return sad.add({
    ...{ name: suite, role: 'both', peers: [parsePrefix('0.0.0.0/0')] },
    ...{ inbound: sa(300), outbound: sa(400) },
  }).outbound;
}

/** Octets of a packet once it is sealed. */
function sealedBytes(octets, nextHeader, sa) {
  const packet = pool.allocateCopy(octets);
  preparePacket(pool, packet);
  pool.nextHeader[packet] = nextHeader;
  if (shim.seal(pool, packet, sa) !== shim.SEAL_OK) throw new Error('a packet was not sealed');
  const bytes = pool.end[packet] - pool.start[packet];
  pool.release(packet);
  return bytes;
}

/** What a gateway puts into a packet of one of its hosts before it seals it for the other gateway. */
function duplicated(octets, nextHeader) {
  const bench = new StageBench(duplicator, { prepare: preparePacket });
  return bench.feed('in', octets, { nextHeader })[0];
}

function dataForm(suite) {
  const sa = outboundSa(suite, 'full');
  return {
    form: `data, ${suite}`,
    source: `encoded, ${suites[suite].profile}`,
    bytes: (kind, length) =>
      sealedBytes(clearPacket(kind, new Uint8Array(length)), nextHeaders.transportData, sa),
  };
}

function synForm(suite) {
  const sa = outboundSa(suite, 'none');
  return {
    form: `SYN with duplicate, ${suite}`,
    source: 'encoded: a SYN without options and data, between gateways',
    protocol: 'TCP',
    isSingle: true,
    bytes(kind) {
      const clear = clearPacket(kind, new Uint8Array());
      const { octets, nextHeader } = duplicated(clear, nextHeaders.transportData);
      return sealedBytes(octets, nextHeader, sa);
    },
  };
}

/** Its packet carries no user data: all of it is added, once or a few times a flow. */
function announcementForm(name, suite, isBetweenGateways) {
  const sa = outboundSa(suite, isBetweenGateways ? 'none' : 'full');
  return {
    form: `announcement ${name}, ${suite}`,
    source: 'encoded, a whole packet',
    protocol: 'UDP',
    isSingle: true,
    isWhole: true,
    bytes(kind) {
      const declaration = new Uint8Array(controlMessage.DECLARATION_BYTES);
      controlMessage.writeDeclaration(declaration, 0, 400, controlMessage.declaredSuites[suite], 2);
      const clear = clearPacket(kind, declaration);
      const { octets, nextHeader } = isBetweenGateways
        ? duplicated(clear, nextHeaders.controlMessage)
        : { octets: clear, nextHeader: nextHeaders.controlMessage };
      return sealedBytes(octets, nextHeader, sa);
    },
  };
}

const toMultiple = (length, of) => Math.ceil(length / of) * of;
/** ESP with AES-GCM: SPI, sequence, IV, padded plaintext with its trailer, ICV (RFC 4303 section 2, RFC 4106). */
const espBytes = (plaintext) => 8 + 8 + toMultiple(plaintext + 2, 4) + 16;

const computedForms = [
  {
    form: 'ESP transport, AES-GCM-16',
    source: 'RFC 4303, RFC 4106: 8 + IV 8 + pad to 4 + 2 + ICV 16',
    bytes: ({ ipBytes, headerBytes }, length) => ipBytes + espBytes(headerBytes - ipBytes + length),
  },
  {
    form: 'ESP tunnel, AES-GCM-16',
    source: 'RFC 4303, RFC 4106: outer IP + 8 + IV 8 + pad to 4 + 2 + ICV 16',
    bytes: ({ ipBytes, headerBytes }, length) => ipBytes + espBytes(headerBytes + length),
  },
  {
    form: 'ESP tunnel in UDP (NAT-T)',
    source: 'RFC 3948 section 2.1: ESP tunnel + UDP 8',
    bytes: ({ ipBytes, headerBytes }, length) => ipBytes + UDP_BYTES + espBytes(headerBytes + length),
  },
  {
    form: 'WireGuard',
    source: 'white paper section 5.4.6: outer IP + UDP 8 + 16 + pad to 16 + tag 16',
    bytes: ({ ipBytes, headerBytes }, length) =>
      ipBytes + UDP_BYTES + 16 + toMultiple(headerBytes + length, 16) + 16,
  },
  {
    form: 'OpenVPN UDP, AEAD',
    source: 'OpenVPN wire protocol, P_DATA_V2: outer IP + UDP 8 + opcode and peer 4 + packet id 4 + tag 16',
    bytes: ({ ipBytes, headerBytes }, length) => ipBytes + UDP_BYTES + 4 + 4 + 16 + headerBytes + length,
  },
  {
    form: 'PSP transport',
    source: 'PSP architecture specification: UDP 8 + PSP 16 + ICV 16',
    bytes: ({ headerBytes }, length) => UDP_BYTES + 16 + headerBytes + length + 16,
  },
];

const forms = [
  ...Object.keys(suites).map(dataForm),
  synForm('aes-128-gcm'),
  synForm('aes-128-ctr-hmac-sha-256-128'),
  announcementForm('host to gateway', 'aes-128-gcm', false),
  announcementForm('gateway to gateway', 'aes-128-gcm', true),
  ...computedForms,
];

/** Of one form on one kind of packet: least, most, mean over the IMIX and its share of the unprotected octets. */
function measure({ bytes, isSingle, isWhole }, kind) {
  if (isSingle) {
    const only = bytes(kind) - (isWhole ? 0 : kind.headerBytes);
    return { least: only, most: only };
  }
  const added = (length) => bytes(kind, length) - kind.headerBytes - length;
  const samples = LENGTHS.map(added);
  const total = { packets: 0, octets: 0, added: 0 };
  for (const { octets, packets } of IMIX) {
    const length = Math.max(octets, kind.headerBytes);
    total.packets += packets;
    total.octets += packets * length;
    total.added += packets * added(length - kind.headerBytes);
  }
  return {
    least: Math.min(...samples),
    most: Math.max(...samples),
    imixMean: Number((total.added / total.packets).toFixed(2)),
    imixPercent: Number(((100 * total.added) / total.octets).toFixed(2)),
  };
}

const results = forms.map((form) => ({
  form: form.form,
  encoded: !computedForms.includes(form),
  source: form.source,
  added: Object.fromEntries(
    kinds
      .filter(({ protocol }) => form.protocol === undefined || form.protocol === protocol)
      .map((kind) => [kind.name, measure(form, kind)]),
  ),
}));

const range = ({ least, most }) => (least === most ? `${least}` : `${least}-${most}`);

function table() {
  const width = Math.max(...results.map(({ form }) => form.length)) + 2;
  const cell = (text) => text.padStart(11);
  const head = kinds.map(({ name }) => cell(name)).join('');
  const lines = results.map(({ form, encoded, added }) => {
    const ranges = kinds.map(({ name }) => cell(added[name] === undefined ? '-' : range(added[name])));
    const imix = ['IPv4 TCP', 'IPv6 TCP'].map((name) => added[name]?.imixPercent);
    const shares = imix.map((share) => cell(share === undefined ? '-' : `${share.toFixed(1)} %`));
    return `${encoded ? '=' : ' '} ${form.padEnd(width)}${ranges.join('')}${shares.join('')}`;
  });
  return [
    'Octets added to an unprotected packet (= encoded by our code, others computed); share in an IMIX of TCP packets',
    '',
    `  ${''.padEnd(width)}${head}${cell('IMIX v4')}${cell('IMIX v6')}`,
    ...lines,
    '',
    ...results.filter(({ encoded }) => !encoded).map(({ form, source }) => `  ${form}: ${source}`),
    '  An announcement is a packet of its own; the row gives all of it.',
  ].join('\n');
}

if (process.argv.includes('--help')) console.log(help);
else if (process.argv.includes('--json'))
  console.log(JSON.stringify({ bench: 'overhead', imix: IMIX, results }, undefined, 2));
else console.log(table());
