import type { Meeting } from '../meeting.ts';
import type { Network } from './network.ts';
import { urlOf } from './traffic.ts';

/** What one can do in the laboratory that is kept: everything works as on any machine. */
export function experiments(network: Network, meeting: Meeting): string[] {
  const { namespaces } = network;
  const inside = (place: keyof typeof namespaces): string => `ip netns exec ${namespaces[place]}`;
  const [v4, v6] = meeting.servers;
  return [
    'The laboratory stays until Ctrl-C. Its namespaces:',
    ...Object.values(namespaces).map((name) => `  ${name}`),
    'A web server answers on host-b. In another terminal, as root, try:',
    `  ${inside('host-a')} curl -s '${urlOf(meeting, 4)}?octets=100'`,
    `  ${inside('host-a')} curl -s -g '${urlOf(meeting, 6)}?octets=100'`,
    `  ${inside('host-a')} ping -c 3 ${v6}`,
    `  ${inside('inet')} tcpdump -n -X -i a0 -c 10          # what the Internet sees of it`,
    `  ${inside('gw-a')} tcpdump -n -i lan0                 # before address translation`,
    `  ${inside('host-b')} iperf3 -s &  ${inside('host-a')} iperf3 -c ${v4}`,
    `  ${inside('host-a')} ip rule                          # how traffic is led through the process`,
  ];
}
