// Nanoseconds a packet for every crypto provider, suite and packet size, on one thread: node bench/crypto.mjs [--json]
import { cpus } from 'node:os';
import { createAead, ICV_BYTES, keyMaterialBytes, suites, workingProviders } from '@ngisec/ipsec';

const BATCH = 256;
const SLOT_BYTES = 2048;
const ASSOCIATED_BYTES = 34;
const LENGTHS = [64, 1400];
const WARM_UP_MS = 100;
const MEASURE_MS = 300;

const arena = new Uint8Array(BATCH * SLOT_BYTES);

function sealBatch(aead, length) {
  for (let packet = 0; packet < BATCH; packet += 1) {
    aead.nonce[11] = packet;
    aead.seal(arena, packet * SLOT_BYTES + 62, length);
  }
}

function openBatch(aead, length) {
  for (let packet = 0; packet < BATCH; packet += 1) {
    aead.nonce[11] = packet;
    if (!aead.open(arena, packet * SLOT_BYTES + 62, length)) throw new Error('A sealed packet did not open.');
  }
}

function timed(run, aead, length, samples) {
  const from = performance.now();
  run(aead, length);
  samples.push(((performance.now() - from) * 1e6) / BATCH);
}

function median(samples) {
  samples.sort((a, b) => a - b);
  return Math.round(samples[samples.length >>> 1]);
}

function measure(provider, suite, length) {
  const material = Uint8Array.from({ length: keyMaterialBytes(suite) }, (_, index) => index);
  const aead = createAead(provider, suite, material);
  aead.associatedLength = ASSOCIATED_BYTES;
  const round = (durationMs) => {
    const [seals, opens] = [[], []];
    const until = performance.now() + durationMs;
    do {
      timed(sealBatch, aead, length, seals);
      timed(openBatch, aead, length, opens);
    } while (performance.now() < until);
    return { sealNs: median(seals), openNs: median(opens), batches: seals.length };
  };
  round(WARM_UP_MS);
  const result = round(MEASURE_MS);
  aead.destroy();
  return { provider: provider.name, suite, length, ...result };
}

const results = [];
for (const provider of workingProviders()) {
  for (const suite of Object.keys(suites)) {
    for (const length of LENGTHS) results.push(measure(provider, suite, length));
  }
}

const machine = {
  cpu: cpus()[0]?.model ?? 'unknown',
  node: process.version,
  openssl: process.versions.openssl,
};
if (process.argv.includes('--json')) {
  console.log(
    JSON.stringify(
      { machine, associatedBytes: ASSOCIATED_BYTES, icvBytes: ICV_BYTES, results },
      undefined,
      2,
    ),
  );
} else {
  console.log(
    `${machine.cpu}, Node ${machine.node}, OpenSSL ${machine.openssl}; medians of batches of ${BATCH}, ns a packet`,
  );
  console.table(results);
}
