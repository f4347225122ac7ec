import type { Job, JobResult, Offer, Seal, StepResult } from '@ritmo/protocol';
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Verdict } from '../build/outcome.js';
import type { BuildProgress } from '../build/progress.js';
import type { SandboxRecord } from '../executor/sandbox.js';
import { writeFileAtomic } from './atomic-file.js';

/** What must survive kill -9 of one build. It holds no secret and no token: those come back with an adoption. */
export interface JournalEntry {
  readonly version: 1;
  readonly jobId: string;
  readonly epoch: number;
  readonly jobName: string;
  readonly executor?: string;
  /** RFC 3339. */
  readonly claimedAt: string;
  readonly sandbox?: SandboxRecord;
  /** Where its steps are, once its sandbox was ready. */
  readonly progress?: BuildProgress;
  /** How it ended, while the server does not know. */
  readonly result?: JobResult;
  readonly seal?: Seal;
  /** Its steps have ended, and what they left is being stored. */
  readonly storing?: StoringState | undefined;
  /** What an interrupted upload needs. */
  readonly uploads?: Readonly<Record<string, unknown>>;
}

/** What an agent needs that goes on with storing what a build left. */
export interface StoringState {
  readonly artifacts: Job['artifacts'];
  readonly onLost: Job['onLost'];
  /** How the steps ended. */
  readonly verdict: Verdict;
  readonly steps: readonly StepResult[];
  /** Secrets of the build that are kept in memory; with one of them gone, names could not be masked any more. */
  readonly masks: number;
  /** Agents that went on with it. */
  readonly tries: number;
}

/** Most agents that go on with one upload: what ends each of them may be the upload itself. */
const mostTries = 5;

/** Whether a build had ended but for what it left, which was being stored. */
export function isUnfinishedUpload(entry: JournalEntry): boolean {
  return entry.storing !== undefined && entry.storing.tries < mostTries && entry.result === undefined;
}

/** Of a job that was just claimed; `now` in milliseconds since 1970. */
export function firstEntry({ job, lease: { jobId, epoch } }: Pick<Offer, 'job' | 'lease'>, now: number): JournalEntry {
  return { version: 1, jobId, epoch, jobName: job.name, claimedAt: new Date(now).toISOString() };
}

/** One file a lease, each written whole or not at all. */
export class Journal {
  readonly #dir: string;
  readonly #writing = new Map<string, Promise<void>>();

  constructor(dir: string) {
    this.#dir = dir;
  }

  /** Entries of the agent that was here before; files that cannot be read are named in `broken`. */
  async read(): Promise<{ readonly entries: readonly JournalEntry[]; readonly broken: readonly string[] }> {
    const entries: JournalEntry[] = [];
    const broken: string[] = [];
    for (const name of (await readdir(this.#dir)).toSorted()) {
      if (name.endsWith('.tmp')) {
        await rm(join(this.#dir, name), { force: true });
      } else if (name.endsWith('.json')) {
        const entry = parse(await readFile(join(this.#dir, name), 'utf8'));
        if (entry) entries.push(entry);
        else broken.push(name);
      }
    }
    return { entries, broken };
  }

  /**
   * Writes of one lease come one after the other; the last one stands. A result is kept over a power loss; before
   * that the server's list of leases tells as much.
   */
  write(entry: JournalEntry): Promise<void> {
    return this.#inOrder(entry, () =>
      writeFileAtomic(this.#path(entry), `${JSON.stringify(entry)}\n`, entry.result !== undefined),
    );
  }

  clear(lease: { readonly jobId: string; readonly epoch: number }): Promise<void> {
    return this.#inOrder(lease, () => rm(this.#path(lease), { force: true }));
  }

  #path(lease: { readonly jobId: string; readonly epoch: number }): string {
    return join(this.#dir, `${lease.jobId}.${lease.epoch}.json`);
  }

  #inOrder(lease: { readonly jobId: string; readonly epoch: number }, work: () => Promise<void>): Promise<void> {
    const key = this.#path(lease);
    const before = this.#writing.get(key) ?? Promise.resolve();
    const mine = before.then(work, work);
    this.#writing.set(key, mine);
    const forget = () => {
      if (this.#writing.get(key) === mine) this.#writing.delete(key);
    };
    mine.then(forget, forget);
    return mine;
  }
}

function parse(text: string): JournalEntry | undefined {
  try {
    const entry = JSON.parse(text) as JournalEntry;
    return entry.version === 1 && typeof entry.jobId === 'string' && Number.isInteger(entry.epoch) ? entry : undefined;
  } catch {
    return undefined;
  }
}
