import type { ServiceRequest } from '@ritmo/agent-core/executor';
import { expect } from 'vitest';
import type { Worker } from './host.js';
import { busyboxImage } from './images.js';

/** A build that has services, and so a network of its own, is reached by no other: none on such a network, none on the shared one. */
export async function expectClosedToOthers(worker: Worker): Promise<void> {
  const idle: ServiceRequest = {
    ...{ name: 'idle', env: {}, limits: {}, workspace: false, command: ['/bin/sh', '-c', 'sleep 600'] },
    image: { reference: busyboxImage, pull: ['never'] },
  };
  const withServices = { network: 'isolated', services: [idle] } as const;
  await using one = await worker.box(withServices);
  const serve = '(while :; do nc -l -p 7000 -e echo other; done) &';
  const asksItself = 'until nc -w 2 $(hostname -i) 7000 </dev/null; do :; done';
  const listening = one.start(`hostname -i; ${serve} ${asksItself}; echo ready; wait`, {}, 0);
  await listening.printed('ready');
  const address = listening.seen.stdout.split('\n')[0]?.trim() ?? '';
  expect(address).toMatch(/^10\.231\./);
  for (const from of [withServices, { network: 'isolated' } as const]) {
    await using other = await worker.box(from);
    expect((await other.sh(`nc -w 2 ${address} 7000 </dev/null; echo end`)).text).not.toMatch(/^other$/m);
  }
  listening.abort({ reason: 'user', graceMs: 0 });
  await listening.exit;
}
