import type { JobInput } from '@ritmo/protocol';
import { image } from './daemon.js';
import type { Fault, Isolation } from './faults.js';

const count = 'i=0; while [ $i -lt 60 ]; do echo $i; i=$((i+1)); sleep 0.02; done';

export type Role = 'loud' | 'silent' | 'again' | 'early' | 'greedy';

/**
 * The jobs of a round. `loud` prints, fails no matter what comes after a loss, and has an artifact; `silent` has a
 * child that leaves its session, and is cancelled after the fault; `again` may run more than once; `early` is
 * cancelled at once, most often before it has begun; `greedy`, in rounds about memory, takes more than it may.
 */
export function jobsOf(marker: string, isolation: Isolation, fault: Fault): readonly (JobInput & { name: Role })[] {
  const common = { env: { STORM: marker }, grace: 500, ...(isolation === 'docker' && { image }) };
  const jobs: (JobInput & { name: Role })[] = [
    {
      ...common,
      name: 'loud',
      steps: [{ run: `${count}; mkdir out; head -c 300000 /dev/urandom > out/random; echo end` }],
      artifacts: [{ name: 'out', paths: ['out'] }],
    },
    { ...common, name: 'silent', steps: [{ run: '(setsid sleep 900 &); sleep 900' }] },
    { ...common, name: 'again', onLost: 'requeue', attempts: 5, steps: [{ run: `${count}; echo end` }] },
    { ...common, name: 'early', steps: [{ run: 'sleep 900' }] },
  ];
  if (fault !== 'memory') return jobs;
  const limits = { memory: 64 * 1024 ** 2 };
  // All of it in one line, which has to be held.
  return [
    { ...common, name: 'greedy', limits, steps: [{ run: 'head -c 300000000 /dev/zero | tail -n 1 > /dev/null' }] },
    ...jobs,
  ];
}
