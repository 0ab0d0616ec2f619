import { isHidden, type LabMode } from './modes.ts';
import { sites } from './topology.ts';

/** The ports that the servers on host-b listen at. */
export const HTTP_PORT = 8080;
export const ECHO_PORT = 9000;

/** Where clients on host-a find them, and as whom host-b sees these clients. */
export interface Meeting {
  /** IPv4, IPv6. */
  readonly servers: readonly [string, string];
  readonly httpPort: number;
  readonly echoPort: number;
  readonly clients: readonly [string, string];
  /** False where NATs on the way may give the client another port. */
  readonly keepsPorts: boolean;
}

/** Other ports in public than inside, so that the way in translates them too. */
const PUBLIC_HTTP_PORT = 80;
const PUBLIC_ECHO_PORT = 5300;

const byPrivateAddress: Meeting = {
  servers: sites.b.host,
  httpPort: HTTP_PORT,
  echoPort: ECHO_PORT,
  clients: sites.a.host,
  keepsPorts: true,
};

/** Network to network nobody knows more of the other side than its gateway's address (#71). */
const byPublicAddress: Meeting = {
  servers: sites.b.wan,
  httpPort: PUBLIC_HTTP_PORT,
  echoPort: PUBLIC_ECHO_PORT,
  clients: sites.a.wan,
  keepsPorts: false,
};

export const meetingOf = (mode: LabMode): Meeting => (isHidden(mode) ? byPublicAddress : byPrivateAddress);

/** What gateway B lets in, as a gateway's configuration says it (#75). */
export const services = (): {
  protocol: 'tcp' | 'udp' | 'icmp';
  host: string;
  port?: number;
  hostPort?: number;
}[] =>
  sites.b.host.flatMap((host) => [
    { protocol: 'tcp' as const, port: PUBLIC_HTTP_PORT, host, hostPort: HTTP_PORT },
    { protocol: 'udp' as const, port: PUBLIC_ECHO_PORT, host, hostPort: ECHO_PORT },
    { protocol: 'icmp' as const, host },
  ]);
