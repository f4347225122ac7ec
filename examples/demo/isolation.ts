import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';

export interface Isolation {
  readonly name: 'sandbox' | 'bare';
  /** Flags of `ritmo-agent start`. */
  readonly flags: readonly string[];
  /** What to say of it before anything runs. */
  readonly warning: string;
}

/**
 * How the demonstration confines its build: in a sandbox with bubblewrap, and where that is not installed bare, by
 * name. The build has no network, so it finds Node and the dependencies of this repository in read-only binds.
 */
export function isolation(repository: string): Isolation {
  const sandbox = process.platform === 'linux' && spawnSync('bwrap', ['--version'], { stdio: 'ignore' }).status === 0;
  if (!sandbox) {
    return {
      name: 'bare',
      flags: ['--isolation', 'process', '--process-isolation', 'bare'],
      warning:
        'bubblewrap is not here, so the build runs bare: as a process that is hardly confined. On Debian or Ubuntu\n' +
        '`sudo apt-get install bubblewrap` mends that; other systems than Linux have no sandbox in this version.',
    };
  }
  const prefix = dirname(dirname(process.execPath));
  const ownNode = prefix === '/usr' || prefix.startsWith('/usr/') ? [] : [prefix];
  const options = {
    binds: [
      ...ownNode.map((source) => ({ source })),
      { source: join(repository, 'node_modules'), target: '/workspace/node_modules' },
      {
        source: join(repository, 'packages', 'protocol', 'node_modules'),
        target: '/workspace/packages/protocol/node_modules',
      },
    ],
    toolPaths: ownNode.map((path) => join(path, 'bin')),
  };
  return {
    name: 'sandbox',
    flags: ['--isolation', 'process', '--executor-options', `process=${JSON.stringify(options)}`],
    warning: '',
  };
}
