import { filters, tables } from './constants.ts';
import { Journal, journals, undoStale } from './journal.ts';
import { LinkError } from './link-error.ts';
import { checkPlan, families, wireInterface, type Family, type Method, type Plan } from './plan.ts';
import { guardSteps, planSteps, type Facts } from './steps.ts';
import { linuxSystem, type System } from './system.ts';

export interface InterceptOptions {
  /** `auto` takes `tc` where the kernel has it. */
  readonly method?: 'auto' | Method;
  /** Where what has to be taken back is recorded; `/run/ngisec`. */
  readonly stateDirectory?: string;
}

export interface Interception {
  readonly method: Method;
  /** Leaves the machine as it was before. */
  undo(): void;
}

/**
 * Leads the packets a plan names through a TUN. What a killed process left in this network namespace is taken
 * back first. All or nothing: where a step fails, what was done is undone. Throws LinkError.
 */
export function intercept(
  plan: Plan,
  tun: { readonly name: string },
  options: InterceptOptions = {},
): Interception {
  const system = linuxSystem;
  const { method = 'auto', stateDirectory } = options;
  checkPlan(plan);
  const mtu = mtuOf(system, wireInterface(plan));
  if (plan.kind === 'gateway') mtuOf(system, plan.lan.interface);
  const stale = staleNames(stateDirectory);
  const guard = stale.length > 0 ? raiseGuard(plan, stateDirectory, system) : undefined;
  try {
    for (const name of stale) undoStale(name, stateDirectory, system);
    refuseForeignRules(system);
    const chosen = method === 'auto' ? probe(system, tun.name) : method;
    const facts = gatherFacts(system, plan, tun.name, mtu, chosen);
    const journal = Journal.create(plan.name, stateDirectory, system);
    journal.perform(planSteps(plan, facts));
    return { method: facts.method, undo: () => journal.undo() };
  } finally {
    guard?.undo();
  }
}

/** Between a killed process's rules and ours nothing may leave in the clear. */
function raiseGuard(plan: Plan, stateDirectory: string | undefined, system: System): Journal {
  const name = `${plan.name}-guard`;
  undoStale(name, stateDirectory, system);
  const guard = Journal.create(name, stateDirectory, system);
  guard.perform(guardSteps(plan));
  return guard;
}

function mtuOf(system: System, name: string): number {
  const [link] = JSON.parse(system.run(['ip', '-j', 'link', 'show', 'dev', name])) as { mtu: number }[];
  return link!.mtu;
}

/** What killed processes left in this network namespace; throws where a living one intercepts here. */
function staleNames(stateDirectory: string | undefined): string[] {
  return journals(stateDirectory).map(({ name, pid, isAlive }) => {
    if (isAlive) {
      throw new LinkError(
        `process ${pid} ("${name}") already intercepts in this network namespace`,
        'Stop it first; there can be one a network namespace.',
      );
    }
    return name;
  });
}

/** Routing rules to our tables without a journal: another state directory, or somebody else's. */
function refuseForeignRules(system: System): void {
  for (const family of families) {
    const rules = JSON.parse(system.run(['ip', '-j', `-${family}`, 'rule', 'show'])) as { table?: string }[];
    const foreign = rules.find(({ table }) => table === tables.outbound || table === tables.inbound);
    if (foreign !== undefined) {
      throw new LinkError(
        `there is already an IPv${family} routing rule to table ${foreign.table}, which is ours to use`,
        `Another process may run with another state directory: stop it, or see \`ip -${family} rule\`.`,
      );
    }
  }
}

/** Tries the filters we need on the TUN itself, which carries nothing yet. */
function probe(system: System, tun: string): Method {
  const filter = `filter add dev ${tun} ingress pref 1 protocol ip u32 match ip dst 192.0.2.1/32`;
  try {
    system.run(['tc', 'qdisc', 'add', 'dev', tun, 'clsact']);
    try {
      system.run(['tc', ...filter.split(' '), 'action', 'mirred', 'egress', 'redirect', 'dev', tun]);
    } finally {
      system.run(['tc', 'qdisc', 'del', 'dev', tun, 'clsact']);
    }
    return 'tc';
  } catch {
    return 'rules';
  }
}

function gatherFacts(system: System, plan: Plan, tun: string, mtu: number, method: Method): Facts {
  const dev = wireInterface(plan);
  const links = JSON.parse(system.run(['ip', '-j', 'link', 'show'])) as { ifname: string }[];
  const hasIngress =
    method === 'tc' && /qdisc (clsact|ingress) /.test(system.run(['tc', 'qdisc', 'show', 'dev', dev]));
  if (hasIngress) refuseForeignFilters(system, dev);
  return {
    method,
    tun,
    mtu,
    interfaces: links.map(({ ifname }) => ifname),
    hasIngress,
    forwardDropped: families.filter((family) => dropsForwarded(system, family)),
    sysctl: (name) => system.readSysctl(name),
  };
}

/** Removing our filters removes all of their preference: they must all be ours. */
function refuseForeignFilters(system: System, dev: string): void {
  const shown = system.run(['tc', 'filter', 'show', 'dev', dev, 'ingress']);
  const taken = Object.values(filters).find((pref) => new RegExp(`\\bpref ${pref}\\b`).test(shown));
  if (taken !== undefined) {
    throw new LinkError(
      `${dev} already has ingress filters of preference ${taken}, which is ours to use`,
      `See \`tc filter show dev ${dev} ingress\`; move or remove them.`,
    );
  }
}

function dropsForwarded(system: System, family: Family): boolean {
  try {
    const program = family === 4 ? 'iptables' : 'ip6tables';
    return system.run([program, '-w', '-S', 'FORWARD']).startsWith('-P FORWARD DROP');
  } catch {
    // No iptables: no such policy.
    return false;
  }
}
