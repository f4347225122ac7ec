import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { readPids } from '../../../host-linux/src/cgroup/control-files.js';
import { processExecutor } from '../../src/index.js';
import { hostIn, scope, sh, Workbench } from '../support/bench.js';

const mebibyte = 1024 * 1024;
const never = new AbortController().signal;
const top = '/sys/fs/cgroup';

/** Runs in a guest whose kernel has control groups of version 2 only, and prints what it saw as one line of JSON. */
async function look(): Promise<Record<string, unknown>> {
  mkdirSync('/tmp', { recursive: true });
  // As root, at the top of the tree.
  const bench = await Workbench.open();
  const { facts } = await bench.executor.probe(never);
  const seen: Record<string, unknown> = { facts, limits: bench.executor.capabilities.limits };

  const small = await bench.sandbox({ limits: { memoryBytes: 48 * mebibyte } });
  seen['within'] = (await sh(small, 'head -c 8m /dev/zero | tail -c 8m | wc -c')).exit;
  seen['memory'] = (await sh(small, 'head -c 200m /dev/zero | tail -c 200m > out; [ -s out ]')).exit;
  seen['after'] = (await sh(small, 'echo fine')).stdout;

  const few = await bench.sandbox({ limits: { pids: 20 } });
  seen['pids'] = (await sh(few, 'i=0; while [ $i -lt 100 ]; do sleep 600 & i=$((i+1)); done')).exit;

  const slow = await bench.sandbox({ limits: { cpus: 0.2 } });
  const start = performance.now();
  await sh(slow, 'timeout 3 sh -c "while :; do :; done"; true');
  seen['cpuShare'] = (await slow.usage(never)).cpuMs / (performance.now() - start);

  const free = await bench.sandbox();
  await sh(free, 'head -c 60m /dev/zero | tail -c 60m | wc -c; sleep 600 & exit 0');
  seen['usage'] = await free.usage(never);
  seen['groups'] = groupsOf().length;
  await bench[Symbol.asyncDispose]();
  seen['groupsLeft'] = groupsOf();

  // As a service that was given a tree of its own: the agent is in it, and has to step aside.
  mkdirSync(`${top}/service`);
  writeFileSync(`${top}/service/cgroup.procs`, String(process.pid));
  const delegated = await processExecutor().open(hostIn(bench.stateDir, 'delegated'));
  seen['delegated'] = {
    limits: delegated.capabilities.limits,
    own: readFileSync('/proc/self/cgroup', 'utf8').trim(),
    inService: readPids(`${top}/service`),
  };
  const request = bench.request({ limits: { memoryBytes: 48 * mebibyte } });
  const sandbox = await delegated.prepare(request, await delegated.allocate(request, scope()), scope());
  seen['delegatedMemory'] = (await sh(sandbox, 'head -c 200m /dev/zero | tail -c 200m > out; [ -s out ]')).exit;
  await delegated[Symbol.asyncDispose]();
  return seen;
}

const groupsOf = () => readdirSync(top).filter((name) => name.startsWith('ritmo-') && name !== 'ritmo-agent');

look().then(
  (seen) => process.stdout.write(`SEEN ${JSON.stringify(seen)}\n`),
  (error: unknown) => process.stdout.write(`FAILED ${error instanceof Error ? error.stack : String(error)}\n`),
);
