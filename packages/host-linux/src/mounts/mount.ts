import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { mountsBelow } from './mount-table.js';

const run = promisify(execFile);

/** Mounts with the system's own tool; rejects with its words when it cannot. */
export async function mount(args: readonly string[]): Promise<void> {
  await run('mount', [...args], { timeout: 10_000 });
}

/** Takes away everything that is mounted at this folder or below; busy mounts vanish once nobody uses them. */
export async function unmountBelow(folder: string): Promise<void> {
  for (const { path } of mountsBelow(folder)) {
    await run('umount', [path], { timeout: 10_000 }).catch(() => run('umount', ['-l', path], { timeout: 10_000 }));
  }
}
