import { homedir } from 'node:os';
import { join } from 'node:path';

type Env = Readonly<Record<string, string | undefined>>;

const isRoot = () => process.getuid?.() === 0;

/** Where the agent keeps its state when nothing else is said. */
export function defaultStateDir(env: Env): string {
  if (isRoot()) return '/var/lib/ritmo-agent';
  return join(absolute(env['XDG_STATE_HOME']) ?? join(homedir(), '.local', 'state'), 'ritmo-agent');
}

/** Where an API server keeps its data when nothing else is said, and where its tokens are looked for. */
export function defaultDataDir(env: Env): string {
  if (isRoot()) return '/var/lib/ritmo-api-server';
  return join(absolute(env['XDG_DATA_HOME']) ?? join(homedir(), '.local', 'share'), 'ritmo-api-server');
}

/** The XDG rules: a folder that is not absolute is not there. */
function absolute(path: string | undefined): string | undefined {
  return path?.startsWith('/') ? path : undefined;
}
