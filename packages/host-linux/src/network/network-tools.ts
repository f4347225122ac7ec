import { execFileSync } from 'node:child_process';
import { chmodSync, statSync } from 'node:fs';
import { unlessErrno } from '../errno.js';
import { findProgram } from '../process/find-program.js';

const searchPath = `${process.env['PATH'] ?? ''}:/usr/sbin:/usr/bin:/sbin:/bin`;
const needed = ['unshare', 'nsenter', 'setpriv', 'ip', 'slirp4netns'] as const;

/** Absolute paths. */
export type NetworkTools = Readonly<Record<(typeof needed)[number], string>> & {
  /** A node for slirp4netns, where only root may open that of the system. */
  readonly tun?: string;
};

/** Finds what a private network is made with, or says which programs are missing. */
export function findNetworkTools(path = searchPath): NetworkTools | { readonly missing: readonly string[] } {
  const found = Object.fromEntries(needed.map((name) => [name, findProgram(name, path)]));
  const missing = needed.filter((name) => found[name] === undefined);
  return missing.length > 0 ? { missing } : (found as NetworkTools);
}

/** The tools with a tun node at `path`, made where it is needed and root makes it. */
export function withTunNode(tools: NetworkTools, path: string): NetworkTools {
  const mode = unlessErrno(['ENOENT'], () => statSync('/dev/net/tun'))?.mode ?? 0;
  if (process.getuid?.() !== 0 || (mode & 0o006) === 0o006) return tools;
  execFileSync('mknod', [path, 'c', '10', '200'], { timeout: 10_000 });
  chmodSync(path, 0o666);
  return { ...tools, tun: path };
}
