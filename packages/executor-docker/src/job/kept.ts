import { createHmac, randomBytes } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { unlessErrno } from '@ritmo/host-linux';
import type { KeptStep, StepKeeper } from '../step/kept-step.js';
import type { OwnProcess } from '../step/processes.js';
import type { Shell } from '../supervisor/supervisor.js';

/** What stays the same of a container: all that another agent process needs to take it up. */
export interface KeptContainer {
  readonly id: string;
  readonly shell: Shell;
  /** Init, supervisor and what ends the container in time, as the host numbers them. */
  readonly own: readonly OwnProcess[];
  /** Names the question after the last answer; the same for every agent that asks. */
  readonly again: string;
  readonly markKey: string;
}

/**
 * What is kept of a container for the agent after this one: in memory, beside its FIFOs, in a folder that no container
 * sees. Each file is written whole or not at all.
 */
export class Kept implements StepKeeper {
  readonly folder: string;
  readonly container: KeptContainer;
  /** Agent processes that had the container before this one. */
  readonly generation: number;

  private constructor(folder: string, container: KeptContainer, generation: number) {
    this.folder = folder;
    this.container = container;
    this.generation = generation;
  }

  static begin(folder: string, facts: Omit<KeptContainer, 'again' | 'markKey'>): Kept {
    const container = { ...facts, again: randomName(), markKey: randomName() };
    writeWhole(join(folder, 'container.json'), container);
    return new Kept(folder, container, 0);
  }

  /** Undefined where no container was started, or what was kept of it is gone. */
  static reopen(folder: string): Kept | undefined {
    const container = readWhole<KeptContainer>(join(folder, 'container.json'));
    if (container === undefined) return undefined;
    const generation = (readWhole<number>(join(folder, 'generation.json')) ?? 0) + 1;
    writeWhole(join(folder, 'generation.json'), generation);
    return new Kept(folder, container, generation);
  }

  /** The step that was begun last. */
  get step(): KeptStep | undefined {
    return readWhole<KeptStep>(join(this.folder, 'step.json'));
  }

  keep(step: KeptStep): void {
    writeWhole(join(this.folder, 'step.json'), step);
  }

  /** What ends the output of a step in one of its streams, as each agent process wrote it; nobody else can know it. */
  mark(nonce: string, stream: string, generation: number = this.generation): Buffer {
    return createHmac('sha256', this.container.markKey).update(`${nonce} ${stream} ${generation}`).digest();
  }
}

const randomName = () => randomBytes(16).toString('hex');

/** Written whole or not at all; for memory, so nothing is synced. */
export function writeWhole(path: string, value: unknown): void {
  writeFileSync(`${path}.new`, JSON.stringify(value), { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

/** Undefined where there is none. What is there is ours, and whole. */
export function readWhole<T>(path: string): T | undefined {
  const text = unlessErrno(['ENOENT', 'ENOTDIR'], () => readFileSync(path, 'utf8'));
  return text === undefined ? undefined : (JSON.parse(text) as T);
}
