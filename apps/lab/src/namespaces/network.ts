import { undoStale } from '@ngisec/link-linux';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { sites, type NodeName, type Site } from '../topology.ts';
import { attempt, run } from './command.ts';
import { enter } from './enter.ts';
import { masquerade } from './masquerade.ts';
import { Program } from './program.ts';

export const places = ['host-a', 'gw-a', 'inet', 'gw-b', 'host-b'] as const;
export type Place = NodeName | 'inet';

export interface NetworkOptions {
  /**
   * `private`: gateways and `inet` forward between the sites' private prefixes. `public`: `inet` knows
   * public ones only. `masqueraded`: the same, and the gateways are ordinary Linux NATs.
   */
  readonly routing: 'public' | 'private' | 'masqueraded';
}

const routers: Record<NetworkOptions['routing'], readonly Place[]> = {
  public: ['inet'],
  private: ['inet', 'gw-a', 'gw-b'],
  masqueraded: ['inet', 'gw-a', 'gw-b'],
};

/** Set before any interface exists, so that interfaces come up without delay and stay quiet. */
const quiet = {
  'net/ipv6/conf/all/disable_ipv6': '0',
  'net/ipv6/conf/default/disable_ipv6': '0',
  'net/ipv6/conf/all/accept_dad': '0',
  'net/ipv6/conf/default/accept_dad': '0',
  'net/ipv6/conf/default/router_solicitations': '0',
  'net/ipv6/conf/default/accept_ra': '0',
  'net/ipv4/conf/all/send_redirects': '0',
  'net/ipv4/conf/default/send_redirects': '0',
};
const forwarding = { 'net/ipv4/ip_forward': '1', 'net/ipv6/conf/all/forwarding': '1' };

/** The topology of five network namespaces, and the programs that run in it. */
export class Network {
  readonly namespaces: Readonly<Record<Place, string>>;
  readonly #programs: Program[] = [];
  #closing: Promise<void> | undefined;

  /** Builds it; where a step fails nothing is left behind. */
  constructor({ routing }: NetworkOptions) {
    const prefix = `ngisec-${process.pid}-${randomBytes(2).toString('hex')}`;
    const entries = places.map((place) => [place, `${prefix}-${place}`]);
    this.namespaces = Object.fromEntries(entries) as Record<Place, string>;
    try {
      for (const place of places) this.#add(place, routers[routing].includes(place));
      this.#link('host-a', 'lan0', 'gw-a', 'lan0');
      this.#link('gw-a', 'wan0', 'inet', 'a0');
      this.#link('gw-b', 'wan0', 'inet', 'b0');
      this.#link('host-b', 'lan0', 'gw-b', 'lan0');
      this.#address('a', 'host-a', 'gw-a', 'a0');
      this.#address('b', 'host-b', 'gw-b', 'b0');
      if (routing === 'masqueraded') masquerade(this);
      if (routing === 'private') Object.values(sites).forEach((site) => this.#knowPrivate(site));
    } catch (error) {
      this.#remove();
      throw error;
    }
  }

  /** Runs an `ip` command in a namespace. */
  ip(place: Place, ...words: string[]): string {
    return run(['ip', '-n', this.namespaces[place], ...words.flatMap((word) => word.split(' '))]);
  }

  enter<Result>(place: Place, act: () => Result): Result {
    return enter(this.namespaces[place], act);
  }

  /** Runs a command in a namespace to its end. */
  run(place: Place, command: readonly string[]): string {
    return run(['ip', 'netns', 'exec', this.namespaces[place], ...command]);
  }

  start(place: Place, command: readonly string[], name = command[0]!): Program {
    const program = new Program(this.namespaces[place], command, `${name} in ${place}`);
    this.#programs.push(program);
    return program;
  }

  /** Ends every program, then removes the namespaces. May be called again. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await Promise.all(this.#programs.map((program) => program.stop()));
    for (const place of places) {
      try {
        // The record of a node that was killed would outlive its namespace.
        this.enter(place, () => undoStale(place));
      } catch {
        // The namespace is gone.
      }
    }
    this.#remove();
  }

  #remove(): void {
    for (const place of places) attempt(['ip', 'netns', 'del', this.namespaces[place]]);
  }

  #add(place: Place, forwards: boolean): void {
    run(['ip', 'netns', 'add', this.namespaces[place]]);
    this.enter(place, () => {
      for (const [name, value] of Object.entries({ ...quiet, ...(forwards ? forwarding : {}) })) {
        writeFileSync(`/proc/sys/${name}`, value);
      }
    });
    this.ip(place, 'link set lo up');
  }

  #link(left: Place, leftName: string, right: Place, rightName: string): void {
    const there = this.namespaces[right];
    this.ip(left, `link add ${leftName} type veth peer name ${rightName} netns ${there}`);
    this.ip(left, `link set ${leftName} up`);
    this.ip(right, `link set ${rightName} up`);
  }

  #address(which: keyof typeof sites, host: Place, gateway: Place, inetName: string): void {
    const site: Site = sites[which];
    [24, 64].forEach((bits, index) => {
      const family = index === 0 ? '-4' : '-6';
      const nodad = index === 0 ? '' : ' nodad';
      const assign = (place: Place, name: string, address: string): void => {
        this.ip(place, family, `address add ${address}/${bits} dev ${name}${nodad}`);
      };
      assign(host, 'lan0', site.host[index]!);
      assign(gateway, 'lan0', site.lan[index]!);
      assign(gateway, 'wan0', site.wan[index]!);
      assign('inet', inetName, site.inet[index]!);
      this.ip(host, family, `route add default via ${site.lan[index]}`);
      this.ip(gateway, family, `route add default via ${site.inet[index]}`);
    });
  }

  #knowPrivate({ prefixes, wan }: Site): void {
    prefixes.forEach((prefix, index) => {
      this.ip('inet', index === 0 ? '-4' : '-6', `route add ${prefix} via ${wan[index]}`);
    });
  }
}
