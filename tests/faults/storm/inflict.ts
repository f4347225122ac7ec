import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { processesWithMarker } from '../../support/witness.js';
import type { Plan } from './faults.js';
import type { Lab } from './lab.js';

const hourMs = 60 * 60_000;

/** Does what the plan says, and puts it right again; builds are told by `marker`. */
export async function inflict(lab: Lab, plan: Plan, marker: string): Promise<void> {
  const { fault, forMs, choice } = plan;
  switch (fault) {
    case 'agent':
    case 'server':
      await lab[fault]?.end('SIGKILL');
      await delay(forMs);
      await (fault === 'agent' ? lab.startAgent() : lab.startServer());
      return;
    case 'upgrade':
      await lab.agent?.end('SIGUSR2');
      await delay(forMs);
      await lab.startAgent();
      return;
    case 'daemon':
      await lab.daemon?.kill();
      await delay(forMs);
      await lab.daemon?.restart();
      return;
    case 'build':
      await killOneOf(marker, choice);
      return;
    case 'frozen-agent':
    case 'silent-server': {
      const victim = fault === 'frozen-agent' ? lab.agent : lab.server;
      victim?.signal('SIGSTOP');
      await delay(forMs);
      victim?.signal('SIGCONT');
      return;
    }
    case 'disk':
      await fill(lab.stateDir, forMs);
      return;
    case 'clock': {
      const who = choice < 0.5 ? 'agent' : 'server';
      // From a day back to a day forth, most of them small.
      const part = choice * 4 - Math.floor(choice * 2) * 2 - 1;
      await lab.setClock(who, { jumpMs: Math.round(24 * hourMs * part ** 3) });
      await delay(forMs);
      return;
    }
    case 'memory':
      // A job of the round does it by itself.
      return;
  }
}

async function killOneOf(marker: string, choice: number): Promise<void> {
  const seen = (await processesWithMarker(marker)).toSorted((a, b) => a.pid - b.pid);
  const victim = seen[Math.floor(choice * seen.length)];
  if (!victim) return;
  try {
    process.kill(victim.pid, 'SIGKILL');
  } catch (error) {
    // It may have ended in the meantime.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Leaves not a byte for a while. */
async function fill(folder: string, forMs: number): Promise<void> {
  const path = join(folder, 'filler');
  const file = await open(path, 'w');
  try {
    for (let size = 4 * 1024 ** 2; size >= 4096; size /= 2) await fillBy(file, Buffer.alloc(size));
    await delay(forMs);
  } finally {
    await file.close();
    await rm(path);
  }
}

async function fillBy(file: Awaited<ReturnType<typeof open>>, bytes: Buffer): Promise<void> {
  try {
    for (;;) await file.write(bytes);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
}
