import type { NodeReport } from '@ngisec/runtime';
import type { Machine, NodeFiles } from './node-files.ts';
import type { LabMode } from './modes.ts';
import type { NodeName } from './topology.ts';
import type { WireObserver } from './wire-observer.ts';

/** One thing a scenario shows, with the rows of the requirements it answers. */
export interface Check {
  readonly name: string;
  readonly rows: readonly string[];
  readonly passed: boolean;
  readonly detail: string;
}

export interface SeenSocket {
  readonly address: string;
  readonly port: number;
}

/** A TCP transfer, as both programs saw it. */
export interface Transfer {
  readonly family: 4 | 6;
  readonly direction: 'download' | 'upload';
  readonly octets: number;
  readonly sentSha256: string;
  readonly receivedSha256: string;
  readonly seconds: number;
  /** The client's socket, as the client knows it and as the server sees it. */
  readonly client: SeenSocket;
  readonly clientSeenByServer: SeenSocket;
}

export interface Datagrams {
  readonly family: 4 | 6;
  /** Payload octets of each datagram sent. */
  readonly sizes: readonly number[];
  /** Received intact by the server, and their echoes received intact by the client. */
  readonly received: number;
  readonly echoed: number;
  readonly client: SeenSocket;
  readonly clientSeenByServer: SeenSocket;
}

export interface Pings {
  readonly family: 4 | 6;
  readonly sent: number;
  readonly received: number;
}

/** Everything a run of a scenario brought to light, whichever back-end ran it. */
export interface Observations {
  readonly files: NodeFiles;
  readonly transfers: readonly Transfer[];
  readonly datagrams: readonly Datagrams[];
  readonly pings: readonly Pings[];
  readonly wire: WireObserver;
  readonly reports: Readonly<Partial<Record<NodeName, NodeReport>>>;
  /** What only this back-end can show. */
  readonly extraChecks: readonly Check[];
  readonly figures: Readonly<Record<string, number | string>>;
}

export interface ScenarioResult {
  readonly scenario: string;
  readonly backend: 'namespaces' | 'memory';
  readonly seed: number;
  readonly passed: boolean;
  readonly checks: readonly Check[];
  readonly figures: Readonly<Record<string, number | string>>;
}

export interface BackendOptions {
  readonly mode: LabMode;
  readonly seed: number;
  /** Octets of each HTTP transfer. */
  readonly transferOctets: number;
  readonly datagramCount: number;
  readonly pingCount: number;
  /** How real nodes meet the kernel. */
  readonly machine?: Machine;
  /** Write one capture file a leg there. */
  readonly pcapDirectory?: string;
  /** Keep the laboratory until interrupted, and say how to use it. */
  readonly stay?: boolean;
  /** One line each, for people. */
  readonly progress: (line: string) => void;
}

export interface Backend {
  readonly name: 'namespaces' | 'memory';
  run(options: BackendOptions): Promise<Observations>;
}

/** What every payload of the lab is made of: lines that a run of plaintext on the wire would give away. */
export const MARKER = 'NGISec plaintext';
const LINE_BYTES = 32;

/** `octets` of lines `NGISec plaintext <salt> <number>`, so that any 47 octets of it hold the marker. */
export function markedPayload(octets: number, salt: number): Buffer {
  const lines = Math.ceil(octets / LINE_BYTES);
  const text = Buffer.alloc(lines * LINE_BYTES);
  for (let line = 0; line < lines; line += 1) {
    text.write(
      `${MARKER} ${String(salt).padStart(3)} ${String(line).padStart(10)}\n`,
      line * LINE_BYTES,
      'latin1',
    );
  }
  return text.subarray(0, octets);
}

/** Sizes of the datagrams: every residue, from empty to what fits one packet of the protected route. */
export const datagramSizes = (count: number, largest: number): number[] =>
  Array.from({ length: count }, (_, index) => (index * 37) % (largest + 1));
