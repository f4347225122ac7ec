import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { figure } from '../system/figures.js';
import { memoryFigure, storeProcess } from './store-process.js';

const count = Number(process.env['RITMO_BENCH_FILES'] ?? 20_000);
/** One after another takes as long as it takes: so many of them say how long. */
const sample = 500;
const content = Buffer.alloc(1024, 'x');
const credentials = { accessKeyId: 'far', secretAccessKey: 'far' };

/** Many small files to a store that answers some milliseconds after the last byte, as each does that a network lies before. */
export async function farArtifacts(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'ritmo-bench-far-'));
  try {
    const path = join(folder, 'file');
    await writeFile(path, content);
    for (const delayMs of [1, 5, 20]) await farStore(delayMs, path);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function farStore(delayMs: number, path: string): Promise<void> {
  const script = fileURLToPath(new URL('far-process.mjs', import.meta.url));
  const far = spawn(process.execPath, [script, String(delayMs)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const agent = new Agent({ keepAlive: true });
  try {
    const port = await new Promise<number>((resolve) => far.stdout.once('data', (line) => resolve(Number(line))));
    for (let n = 0; n < sample; n++) await put(agent, port, n);
    const begin = performance.now();
    for (let n = 0; n < sample; n++) await put(agent, port, n);
    const aloneMs = (performance.now() - begin) / sample;
    const options = { bucket: 'bench', endpoint: `http://127.0.0.1:${port}`, credentials };
    const { ms, peak } = await storeProcess(options, path, content.length, 'many', count);
    const times = (aloneMs * count) / ms;
    const each = `${aloneMs.toFixed(2)} ms and ${(ms / count).toFixed(2)} ms a file`;
    figure(`${count} x 1 KiB, store ${delayMs} ms away`, `${times.toFixed(1)} x, ${each}`, '8 x', times >= 8);
    memoryFigure('them', peak);
  } finally {
    agent.destroy();
    far.kill();
    await new Promise((resolve) => far.once('exit', resolve));
  }
}

/** A PUT with no signature and no hash. */
function put(agent: Agent, port: number, n: number): Promise<void> {
  const headers = { 'Content-Length': content.length };
  return new Promise((resolve, reject) => {
    const call = request({ agent, port, method: 'PUT', path: `/bench/one/${n}`, headers }, (answer) => {
      answer.resume();
      answer.once('end', resolve);
    });
    call.once('error', reject);
    call.end(content);
  });
}
