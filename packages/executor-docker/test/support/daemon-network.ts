import { execFileSync } from 'node:child_process';

/**
 * Where a daemon makes its networks. Two daemons that set firewall rules in one network namespace take each other's chains
 * away for a moment when one of them starts, so that only one of them may be in the host's.
 *
 * - `host`: there, with rules: for the daemon that a whole run shares, since jobs with networks need it there.
 * - `bridge`: there, without any rule and with a bridge of its own: for what is to be reached on the host's loopback.
 * - `own`: in a namespace of its own.
 */
export type NetworkKind = 'host' | 'bridge' | 'own';

export interface DaemonNetwork extends Disposable {
  /** Words before the command that starts the daemon. */
  readonly enter: readonly string[];
  /** Options of the daemon. */
  readonly options: readonly string[];
  /** Path of its network namespace; undefined where that is the host's. */
  readonly namespace?: string;
}

/** `name` is unlike that of any other daemon, and short enough for an interface where it is a bridge (15 characters). */
export function openNetwork(kind: NetworkKind, name: string): DaemonNetwork {
  if (kind === 'own') return ownNamespace(name);
  return kind === 'bridge' ? ownBridge(name) : { enter: [], options: [], [Symbol.dispose]: () => undefined };
}

/** Entered by nsenter, since mounts have to stay those of the host, as `ip netns exec` would not have it. */
function ownNamespace(name: string): DaemonNetwork {
  ip('netns', 'add', name);
  ip('-n', name, 'link', 'set', 'lo', 'up');
  const namespace = `/run/netns/${name}`;
  return {
    enter: ['nsenter', `--net=${namespace}`],
    options: [],
    namespace,
    [Symbol.dispose]: () => ip('netns', 'delete', name),
  };
}

/** Told that it has no bridge, a daemon deletes the one that others use. */
function ownBridge(name: string): DaemonNetwork {
  ip('link', 'add', name, 'type', 'bridge');
  ip('address', 'add', addressOf(name), 'dev', name);
  return {
    enter: [],
    options: ['--bridge', name, '--iptables=false'],
    [Symbol.dispose]: () => ip('link', 'delete', name),
  };
}

/** In a subnet for each name. */
function addressOf(name: string): string {
  let sum = 0;
  for (const letter of name) sum = (sum * 31 + letter.charCodeAt(0)) % 8192;
  const number = sum * 8 + 1;
  return `10.253.${Math.floor(number / 256)}.${number % 256}/29`;
}

const ip = (...args: string[]) => void execFileSync('ip', args);
