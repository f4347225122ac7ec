/**
 * How fast a build's output gets from its bytes into the spool file, beside what the disk takes in the same run.
 * Run: npx tsx --conditions=@ritmo/source bench/log/recorder.ts [MiB]
 */
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { LogRecorder, MaskSet } from '../../packages/core/src/log/index.js';
import { best, logText, secrets } from './support.js';

const clock = { now: () => Date.now(), monotonic: () => performance.now(), sleep: (ms: number) => sleep(ms) };
const bytes = Number(process.argv[2] ?? 256) * 1024 * 1024;
const chunks = logText(bytes);
const folder = await mkdtemp(path.join(tmpdir(), 'ritmo-bench-'));
const file = path.join(folder, 'log');

async function plainWrite(): Promise<void> {
  const handle = await open(file, 'w');
  for (const chunk of chunks) await handle.write(chunk);
  await handle.close();
  await rm(file);
}

async function record(count: number, shortest: number): Promise<void> {
  const masks = new MaskSet();
  for (const secret of secrets(count, shortest)) masks.add(secret);
  const recorder = await LogRecorder.open({ path: file, jobId: 'bench', epoch: 1, clock, masks, maxBytes: bytes * 8 });
  recorder.stepStarted(0, 'print', 'print');
  const output = recorder.output(0);
  for (const chunk of chunks) await output.write('stdout', chunk);
  recorder.stepEnded(0, { code: 0 });
  await recorder.close();
  await recorder[Symbol.asyncDispose]();
  await rm(file);
}

try {
  console.log(`${bytes / 1024 / 1024} MiB in chunks of 64 KiB, best of five`);
  console.log(`floor: plain write of the same bytes        ${await best(bytes, plainWrite)}`);
  console.log(`recorder to spool, no secret                ${await best(bytes, () => record(0, 8))}`);
  console.log(`recorder to spool, 20 secrets from 8 bytes  ${await best(bytes, () => record(20, 8))}`);
  console.log(`recorder to spool, 20 secrets from 4 bytes  ${await best(bytes, () => record(20, 4))}`);
  for (const shortest of [4, 8]) {
    for (const count of [1, 20, 200]) {
      const masks = new MaskSet();
      for (const secret of secrets(count, shortest)) masks.add(secret);
      const stream = masks.stream();
      const rate = await best(bytes, () => {
        for (const chunk of chunks) stream.push(chunk);
      });
      console.log(`masker alone, ${String(count).padStart(3)} secrets from ${shortest} bytes       ${rate}`);
    }
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
