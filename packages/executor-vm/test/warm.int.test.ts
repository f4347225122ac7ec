import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { environmentValue, listProcesses, signalPid } from '@ritmo/host-linux';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SandboxRequest } from '@ritmo/agent-core/executor';
import { HostService, Outside, outsideMs } from '../../../tests/support/host-network.js';
import { footprint } from '../../../tests/support/footprint.js';
import { scope, sh, Workbench } from './support/bench.js';

const never = new AbortController().signal;
const mebibyte = 1024 * 1024;
const waited = 'restored from a template before the job came';

let bench: Workbench;

/** Resolves when so many machines wait. */
async function waiting(on: Workbench, count: number): Promise<void> {
  while ((await on.executor.probe(never)).facts['warmMachines'] !== count) await sleep(20);
}

/** Processes of machines, by the names that these have. */
function machines(on: Workbench) {
  const prefix = `RITMO_VM=${on.host.ownerId}/`;
  const found = listProcesses().map(({ pid }) => ({ pid, id: environmentValue(pid, prefix) ?? '' }));
  return found.filter(({ id }) => id !== '');
}

/** Names of those that were not made for a job. */
const warmMarks = (on: Workbench) => [
  ...new Set(machines(on).flatMap(({ id }) => (id.startsWith('warm-') ? [id] : []))),
];

/** A job of another shape than the machine that waits; returns what its step printed when one of its shape waits instead. */
async function jobOfAnotherShape(over: Partial<SandboxRequest> = {}, script = ':'): Promise<string> {
  await waiting(bench, 1);
  const before = warmMarks(bench);
  const box = await bench.sandbox({ network: 'none', ...over });
  expect(box.description).not.toContain(waited);
  const { stdout } = await sh(box, script);
  await box[Symbol.asyncDispose]();
  while (warmMarks(bench).some((id) => before.includes(id))) await sleep(20);
  await waiting(bench, 1);
  return stdout;
}

/** A job that gets a machine which waited. */
async function warmJob(over: Partial<SandboxRequest> = {}) {
  await waiting(bench, 1);
  const box = await bench.sandbox({ network: 'none', ...over });
  expect(box.description).toContain(waited);
  return box;
}

describe('machines that wait for their job', () => {
  beforeAll(async () => {
    bench = await Workbench.open({ warmMachines: 1 });
    // The first job finds none: what it asked for is what the next one gets.
    await (await bench.sandbox({ network: 'none' }))[Symbol.asyncDispose]();
  });
  afterAll(async () => {
    await bench[Symbol.asyncDispose]();
  });

  it('serve it with its own workspace and its own size of disk, and another waits afterwards', async () => {
    await waiting(bench, 1);
    const { volume, request } = await bench.volume({ network: 'none', limits: { diskBytes: 300 * mebibyte } });
    mkdirSync(join(volume.hostPath, 'folder'));
    writeFileSync(join(volume.hostPath, 'folder/file'), 'from the host\n');
    const box = await bench.executor.prepare(request, volume, scope());
    expect(box.description).toContain(waited);
    const { stdout } = await sh(box, 'cat folder/file; df -m . | tail -1 | tr -s " " | cut -d" " -f2; stat -c %u /');
    const [text, size, owner] = stdout.trim().split('\n');
    expect([text, owner]).toEqual(['from the host', '0']);
    expect(Number(size)).toBeGreaterThan(250);
    expect(Number(size)).toBeLessThan(300);
    const full = await sh(box, 'dd if=/dev/zero of=big bs=1M count=400');
    expect(full.exit).toMatchObject({ limit: 'disk' });
    const { cpuMs } = await box.usage(never);
    expect(cpuMs).toBeGreaterThan(0);
    await box[Symbol.asyncDispose]();
    expect(readdirSync(join(bench.stateDir, 'sandboxes')).filter((name) => !name.startsWith('warm-'))).toEqual([]);
    await waiting(bench, 1);
  });

  it('begin with different randomness and the right time, which they get with their job', async () => {
    const seen: string[] = [];
    for (let i = 0; i < 4; i++) {
      const box = await warmJob();
      const before = Date.now() / 1_000;
      const { stdout } = await sh(box, 'head -c 16 /dev/urandom | xxd -p; date +%s');
      const [random = '', time] = stdout.trim().split('\n');
      expect(Number(time)).toBeGreaterThanOrEqual(before - 2);
      expect(Number(time)).toBeLessThanOrEqual(Date.now() / 1_000 + 2);
      seen.push(random);
      await box[Symbol.asyncDispose]();
    }
    expect(new Set(seen).size).toBe(seen.length);
  });

  it('show a job nothing of what they did before it', async () => {
    // Builtins alone: what else looks at processes is one itself. Those of the kernel, which come and go, have no line.
    const processes =
      'for at in /proc/[0-9]*; do line=; read -r line <$at/cmdline; [ -z "$line" ] || echo "$line"; done';
    const look = `cat /proc/mounts; ls -A / /run /run/ritmo /tmp /dev /workspace; ${processes}`;
    const sorted = (text: string) => text.split('\n').toSorted();
    const limits = { memoryBytes: 256 * mebibyte };
    const seen = await jobOfAnotherShape({ limits }, look);
    const warm = await warmJob({ limits });
    expect(sorted((await sh(warm, look)).stdout)).toEqual(sorted(seen));
    await warm[Symbol.asyncDispose]();
    await jobOfAnotherShape();
  });

  it('do not serve a job of another shape, and have the shape of that job from then on', async () => {
    const limits = { memoryBytes: 256 * mebibyte };
    await jobOfAnotherShape({ limits });
    await (await warmJob({ limits }))[Symbol.asyncDispose]();
    await jobOfAnotherShape();
    await (await warmJob())[Symbol.asyncDispose]();
  });

  it('are no strays for a sweep, and still serve after it', async () => {
    await waiting(bench, 1);
    expect(await bench.executor.sweep(new Set(), never)).toEqual({ removed: [], failed: [] });
    const box = await warmJob();
    const { removed } = await bench.executor.sweep(new Set([box.id]), never);
    expect(removed).toEqual([]);
    expect((await sh(box, 'echo fine')).stdout).toBe('fine\n');
    await box[Symbol.asyncDispose]();
  });

  it('that end by themselves are cleaned up, and the next job has its machine all the same', async () => {
    await waiting(bench, 1);
    for (const { pid } of machines(bench)) signalPid(pid, 'SIGKILL');
    await waiting(bench, 0);
    const box = await bench.sandbox({ network: 'none' });
    expect((await sh(box, 'echo fine')).stdout).toBe('fine\n');
    await box[Symbol.asyncDispose]();
    await waiting(bench, 1);
    expect(readdirSync(join(bench.stateDir, 'sandboxes'))).toEqual(warmMarks(bench));
  });
});

describe('a machine that waited', () => {
  let outside: Outside;

  beforeAll(async () => {
    outside = await new Outside().open();
  }, outsideMs);
  afterAll(() => outside[Symbol.asyncDispose]());

  it('is in its own network: it reaches the outside, and no address of the host', async () => {
    await using service = await new HostService().open();
    await using on = await Workbench.open({ warmMachines: 1 });
    await (await on.sandbox({ network: 'isolated' }))[Symbol.asyncDispose]();
    await waiting(on, 1);
    const box = await on.sandbox({ network: 'isolated' });
    expect(box.description).toContain(waited);
    const [address = ''] = outside.addresses;
    const [hostAddress = ''] = outside.hostAddresses;
    const reach = 'timeout 20 nc "$1" "$2" </dev/null; timeout 5 nc -w 3 "$3" "$4" </dev/null && echo host';
    const args = [address, String(outside.port), hostAddress, String(service.tcpPort)];
    expect((await sh(box, reach, args)).stdout).toBe('from outside');
    expect(service.connections).toBe(0);
    await box[Symbol.asyncDispose]();
  });
});

it('nothing of waiting machines is left when the agent closes', async () => {
  const before = footprint([]);
  const on = await Workbench.open({ warmMachines: 2 });
  const boxes = await Promise.all([1, 2].map(() => on.sandbox({ network: 'none' })));
  await waiting(on, 2);
  const users = machines(on).map(({ pid }) => /^Uid:\t(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  // Two that wait and two of jobs.
  if (process.getuid?.() === 0) expect(new Set(users).size).toBe(4);
  await Promise.all(boxes.map((box) => box[Symbol.asyncDispose]()));
  await on.executor[Symbol.asyncDispose]();
  expect(warmMarks(on)).toEqual([]);
  expect(readdirSync(join(on.stateDir, 'sandboxes'))).toEqual([]);
  expect(footprint([]).processes).toBe(before.processes);
  await on[Symbol.asyncDispose]();
});
