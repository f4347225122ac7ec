import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { OutputWriter, Sandbox } from '@ritmo/agent-core/executor';
import { findByEnvironment, environmentValue, listProcesses } from '@ritmo/host-linux';
import { scope, type Workbench } from '../../packages/executor-vm/test/support/bench.js';

/** A machine that a job has, and how long it took to prepare. */
export type Prepared = Sandbox & { readonly preparedMs: number; readonly readyMs: number };

/** Allocates and prepares a job; `fill` puts files into its workspace. */
export async function prepared(bench: Workbench, fill: (path: string) => void = () => undefined): Promise<Prepared> {
  const from = performance.now();
  const { volume, request } = await bench.volume({ network: 'none' });
  const allocatedMs = performance.now() - from;
  fill(volume.hostPath);
  const filledAt = performance.now();
  const sandbox = await bench.executor.prepare(request, volume, scope());
  const preparedMs = performance.now() - filledAt;
  return Object.assign(sandbox, { preparedMs, readyMs: allocatedMs + preparedMs });
}

export function fillWith(path: string, mebibytes: number): void {
  const bytes = 2 ** 20 / 40;
  for (let i = 0; i < mebibytes * 40; i++) writeFileSync(join(path, `file-${i}`), Buffer.alloc(bytes, i + 1));
}

/** Of the machines of this executor that run, in megabytes. */
export function machinesMB(bench: Workbench): number[] {
  const prefix = `RITMO_VM=${bench.host.ownerId}/`;
  const names = new Set(listProcesses().flatMap(({ pid }) => environmentValue(pid, prefix) ?? []));
  return [...names].filter((name) => name !== 'helper').map((name) => privateMB(`${prefix}${name}`));
}

/**
 * Pages that only this process has. Those of the template are not, although Linux counts them as private to the one
 * machine that looks at them while no other does.
 */
function privateMB(mark: string): number {
  const sizes = findByEnvironment(mark).map(({ pid }) => {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
    return (Number(/^Anonymous:\s+(\d+) kB$/m.exec(text)?.[1] ?? 0) * 1024) / 1e6;
  });
  return Math.max(...sizes);
}

export async function step(sandbox: Sandbox, argv: [string, ...string[]], output: OutputWriter): Promise<void> {
  const stop = { signal: 'SIGTERM', graceMs: 1_000 } as const;
  const exit = await sandbox.run({ id: 'step', argv, env: {} }, { signal: never(), stop, output });
  if (exit.status !== 'exited' || exit.code !== 0) throw new Error(JSON.stringify(exit));
}

export async function timed(work: () => Promise<unknown>): Promise<number> {
  const from = performance.now();
  await work();
  return performance.now() - from;
}

export const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
export const ms = (value: number) => `${Math.round(value).toLocaleString('en')} ms`;
export const best = (values: readonly number[]) => `best ${ms(Math.min(...values))}`;
export const never = () => new AbortController().signal;
export const print = (what: string, value: string, note: string) =>
  process.stdout.write(`  ${what.padEnd(52)} ${value.padStart(10)}  ${note}\n`);
