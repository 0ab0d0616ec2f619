import type { ChannelParameters, ChannelRole, SaParameters } from '@ngisec/ipsec';
import { writeFileSync } from 'node:fs';
import { ConfigurationError } from './configuration.ts';

/** One SA as a key log has it. */
export interface KeyLogEntry extends Pick<SaParameters, 'spi' | 'suite' | 'scope' | 'keyMaterial'> {
  readonly role: ChannelRole;
  /** Sender and receiver, `host-a>gw-a`. */
  readonly name: string;
}

/**
 * `ngisec-sa SPI ROLE SUITE SCOPE KEY-AND-SALT NAME`, numbers in hexadecimal, for the dissector in
 * extras/wireshark.
 */
export function keyLogLine({ spi, role, suite, scope, keyMaterial, name }: KeyLogEntry): string {
  const key = Buffer.from(keyMaterial).toString('hex');
  return `ngisec-sa ${spi.toString(16).padStart(8, '0')} ${role} ${suite} ${scope} ${key} ${oneWord(name)}`;
}

/** A channel's name is anybody's text; a line of the log must stay one. */
const oneWord = (name: string): string => name.replaceAll(/\s+/g, '-');

/** The lines of both directions of a node's channels. */
export function keyLogOf(node: string, channels: readonly ChannelParameters[]): string {
  const lines = channels.flatMap(({ name, role, inbound, outbound }) => [
    keyLogLine({ ...inbound, role, name: `${name}>${node}` }),
    keyLogLine({ ...outbound, role, name: `${node}>${name}` }),
  ]);
  return lines.map((line) => line + '\n').join('');
}

/**
 * Writes a new file that only its owner may read. Throws `ConfigurationError` where it cannot be made, or anything is
 * there already: nobody's file is overwritten, no link is followed.
 */
export function writeKeyLog(path: string, text: string): void {
  try {
    writeFileSync(path, text, { flag: 'wx', mode: 0o600 });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const reason = code === 'EEXIST' ? 'is there already; a key log is a new file' : message;
    throw new ConfigurationError([{ file: path, line: 1, column: 1, message: `key log: ${reason}` }]);
  }
}

export const keyLogWarning = (path: string): string =>
  `warning: ${path} holds the keys of this node: whoever has the file reads everything they protect, and can forge it`;
