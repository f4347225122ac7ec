import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger, Sandbox, SandboxRequest } from '@ritmo/agent-core/executor';
import { dockerExecutor } from '../../src/index.js';

const [image = '', folder = ''] = process.argv.slice(2);
const silent: Logger = {
  child: () => silent,
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

/** One job of an agent that is not root; what it saw goes to stdout as JSON. */
async function main(): Promise<void> {
  const stateDir = join(folder, 'state');
  await mkdir(stateDir);
  const clock = {
    now: () => Date.now(),
    monotonic: () => performance.now(),
    sleep: (ms: number, signal?: AbortSignal) => sleep(ms, undefined, signal ? { signal } : {}),
  };
  await using executor = await dockerExecutor().open({ ownerId: 'unprivileged', stateDir, log: silent, clock });
  const request: SandboxRequest = {
    ...{ jobId: 'job', epoch: 1, sandboxId: 'unprivileged-1', slot: 0, services: [], network: 'none' },
    limits: { diskBytes: 32 * 2 ** 20 },
    ...{ profile: 'standard', deadlineMs: 600_000, onLost: 'fail', image: { reference: image, pull: ['never'] } },
  };
  const signal = new AbortController().signal;
  const scope = { signal, progress: () => undefined, record: () => Promise.resolve() };
  await using box = await executor.prepare(request, await executor.allocate(request, scope), scope);
  const make = 'umask 077; mkdir deep; echo x > deep/file; echo x > closed; id -u; stat -c "%U:%G %a" closed';
  const first = await step(box, 'first', make);
  const controller = new AbortController();
  const hang = "trap '' TERM; echo ready; while :; do sleep 1; done";
  const second = await step(box, 'second', hang, controller);
  // Where the agent cannot look.
  const fill = 'umask 077; mkdir big; head -c 64000000 /dev/zero > big/file; echo written; sleep 600';
  const third = await step(box, 'third', fill);
  await step(box, 'fourth', 'rm -r big');
  const collected: string[] = [];
  for await (const entry of box.collect(
    { include: ['**'], exclude: [], dotfiles: true, maxFiles: 10, maxBytes: 1000 },
    signal,
  )) {
    if (entry.kind === 'file') collected.push(entry.path);
  }
  const { network: networks, limits } = executor.capabilities;
  process.stdout.write(
    JSON.stringify({ networks, limits, first: first.text, stopped: second.exit, filled: third.exit, collected }),
  );
}

async function step(box: Sandbox, id: string, script: string, controller = new AbortController()) {
  let text = '';
  const write = (_: string, bytes: Uint8Array) => {
    text += Buffer.from(bytes).toString();
    if (text.includes('ready')) controller.abort({ reason: 'user' });
  };
  const exit = await box.run(
    { id, argv: ['/bin/sh', '-c', script], env: {} },
    { signal: controller.signal, stop: { signal: 'SIGTERM', graceMs: 200 }, output: { write } },
  );
  return { exit, text };
}

await main();
