// What is measured in a set-up that stands.
import { readFileSync } from 'node:fs';

const PORT = 5201;
const PINGS = 200;
/** Of the kernel's interface to programs, whatever the kernel counts in itself (proc(5), stat). */
const TICKS_PER_SECOND = 100;

/** User and system time of processes, in seconds. */
function cpuSeconds(programs) {
  return programs.reduce((sum, { pid }) => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the program's name in parentheses; user and system time are fields 14 and 15.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return sum + (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  }, 0);
}

function pingMedianMs(network, address) {
  const output = network.run('host-a', [
    'ping',
    '-n',
    '-c',
    String(PINGS),
    '-i',
    '0.005',
    '-W',
    '2',
    address,
  ]);
  const times = [...output.matchAll(/ time=([\d.]+) ms/g)].map(([, time]) => Number(time));
  return times.sort((left, right) => left - right)[times.length >>> 1];
}

async function iperf(network, address, seconds) {
  const server = network.start(
    'host-b',
    ['iperf3', '-s', '-1', '-p', String(PORT), '--forceflush'],
    'iperf3 -s',
  );
  await server.line((line) => line.includes('listening'));
  const words = ['-c', address, '-p', String(PORT), '-t', String(seconds), '-C', 'cubic', '-J'];
  const client = network.start('host-a', ['iperf3', ...words], 'iperf3 -c');
  const { code } = await client.exited;
  await server.stop();
  const report = JSON.parse(client.output);
  if (code !== 0 || report.error !== undefined) throw new Error(`iperf3: ${report.error ?? code}`);
  return report.end;
}

/** Rate at the receiver, the daemons' CPU while it flowed (100 % is one core), then the round trip, everything warm. */
export async function measure(network, { address, daemons, seconds }) {
  const [beforeMs, before] = [performance.now(), cpuSeconds(daemons)];
  const { sum_received: received, sum_sent: sent } = await iperf(network, address, seconds);
  const elapsed = (performance.now() - beforeMs) / 1000;
  const cpuPercent = (100 * (cpuSeconds(daemons) - before)) / elapsed;
  return {
    megabitsPerSecond: received.bits_per_second / 1e6,
    retransmissions: sent.retransmits,
    daemonCpuPercent: cpuPercent,
    pingMedianMs: pingMedianMs(network, address),
  };
}
