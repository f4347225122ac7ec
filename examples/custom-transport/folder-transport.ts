import { createHash, randomUUID } from 'node:crypto';
import { access, mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Lease, type ReleaseCause, RitmoError, type Transport } from '@ritmo/agent-core';
import {
  type Adoption,
  type AdoptionRequest,
  type AppendAnswer,
  type ClaimRequest,
  formatProblems,
  type HeartbeatAnswer,
  type JobResult,
  type Offer,
  parseJobFile,
  type Registration,
  type Seal,
  type WorkerEvent,
  type WorkerStatus,
} from '@ritmo/protocol';

/** How often the folder is looked at, in milliseconds. */
const lookMs = 200;
const ttlMs = 60_000;

/**
 * Jobs from a folder, for one worker: whoever drops `inbox/NAME.yaml` finds `jobs/NAME/` with `job.yaml`,
 * `log.ndjson` as it grows and, at the end, `log.sha256` and `result.json`. A file `jobs/NAME/cancel` cancels it.
 *
 * What makes this safe is the same as with a server: a claim is one atomic rename, each attempt has an epoch that each
 * write carries, and what is written twice is written once.
 */
export class FolderTransport implements Transport {
  readonly name = 'folder';
  readonly #folder: string;
  readonly #token = randomUUID();
  readonly #answers = new Map<string, readonly Offer[]>();
  readonly #closed = new AbortController();

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Who we are matters to nobody here. A result that is missing belongs to an agent that died: it is named as a lease. */
  async register(): Promise<Registration> {
    for (const name of ['inbox', 'jobs']) await mkdir(join(this.#folder, name), { recursive: true });
    const leases = [];
    for (const jobId of await readdir(join(this.#folder, 'jobs')))
      if (await this.#isOpen(jobId)) leases.push({ jobId, epoch: await this.#epochOf(jobId) });
    return {
      workerId: 'folder',
      workerToken: this.#token,
      resumeKey: 'folder',
      protocol: 1,
      heartbeatMs: 5_000,
      leaseTtlMs: ttlMs,
      claimWaitMs: 25_000,
      leases,
    };
  }

  async update(): Promise<void> {}

  /** The same request gives the same answer: an offer whose answer was lost is not lost itself. */
  async claim({ requestId, max, waitMs }: ClaimRequest, signal: AbortSignal): Promise<readonly Offer[]> {
    const before = this.#answers.get(requestId);
    if (before) return before;
    const until = performance.now() + waitMs;
    for (;;) {
      signal.throwIfAborted();
      const offers = await this.#take(max);
      if (offers.length > 0 || performance.now() >= until) {
        // Only the last request can be repeated.
        this.#answers.clear();
        this.#answers.set(requestId, offers);
        return offers;
      }
      await this.#pause(signal);
    }
  }

  async accept(lease: Lease): Promise<void> {
    await this.#check(lease);
  }

  /** Back to where it came from; only its epoch stays, so that the next attempt has a higher one. */
  async release(lease: Lease, _why: ReleaseCause): Promise<void> {
    await this.#check(lease);
    await rm(this.#path(lease.jobId, 'log.ndjson'), { force: true });
    await rename(this.#path(lease.jobId, 'job.yaml'), join(this.#folder, 'inbox', `${lease.jobId}.yaml`));
  }

  /** After a restart: the agent may end what it had begun, or run on what still lives. What it does not know is given up. */
  async adopt(leases: AdoptionRequest): Promise<readonly Adoption[]> {
    const adoptions: Adoption[] = [];
    for (const { jobId, epoch, intent } of leases) {
      const open = (await this.#isOpen(jobId)) && (await this.#epochOf(jobId)) === epoch;
      const offer = open && intent === 'run' ? await this.#offerOf(jobId) : undefined;
      if (open && intent === 'drop') await this.#end(jobId, lost);
      if (offer !== undefined) adoptions.push({ jobId, epoch, offer });
      else if (open && intent === 'finish') adoptions.push({ jobId, epoch, jobToken: this.#token });
      else adoptions.push({ jobId, epoch, code: 'RITMO_FENCED' });
    }
    return adoptions;
  }

  async heartbeat({ running }: WorkerStatus): Promise<HeartbeatAnswer> {
    const jobs = running.map(async ({ jobId, epoch }) => {
      const cancel = await this.#cancelOf(jobId);
      if ((await this.#epochOf(jobId)) !== epoch) return { jobId, epoch, verdict: 'fenced' as const };
      return { jobId, epoch, ...(cancel ? { verdict: 'cancel' as const, cancel } : { verdict: 'keep' as const }) };
    });
    return { jobs: await Promise.all(jobs) };
  }

  /** Cancels as they come. The agent hears of them by heartbeats and log answers too; this is quicker. */
  async *events(signal: AbortSignal): AsyncGenerator<WorkerEvent> {
    const told = new Set<string>();
    for (let seq = 1; ; ) {
      for (const jobId of await readdir(join(this.#folder, 'jobs'))) {
        const cancel = told.has(jobId) ? undefined : await this.#cancelOf(jobId);
        if (!cancel) continue;
        told.add(jobId);
        yield { seq: seq++, type: 'cancel', jobId, epoch: await this.#epochOf(jobId), ...cancel };
      }
      await this.#pause(signal);
    }
  }

  /** What is there already is skipped; after a gap the answer says where to go on. */
  async appendLog(lease: Lease, offset: number, bytes: Uint8Array): Promise<AppendAnswer> {
    const length = await this.logOffset(lease);
    const fresh = offset <= length ? bytes.subarray(length - offset) : new Uint8Array();
    if (fresh.length > 0 && (await exists(this.#path(lease.jobId, 'log.sha256'))))
      throw new RitmoError('RITMO_SEALED', `The log of ${lease.jobId} is sealed.`);
    await using file = await open(this.#path(lease.jobId, 'log.ndjson'), 'a');
    await file.writeFile(fresh);
    const cancel = await this.#cancelOf(lease.jobId);
    return { next: length + fresh.length, ...(cancel && { cancel }) };
  }

  async logOffset(lease: Lease): Promise<number> {
    await this.#check(lease);
    return stat(this.#path(lease.jobId, 'log.ndjson')).then(
      ({ size }) => size,
      () => 0,
    );
  }

  async sealLog(lease: Lease, seal: Seal): Promise<{ readonly next: number } | undefined> {
    const next = await this.logOffset(lease);
    if (next < seal.length) return { next };
    const log = seal.length === 0 ? Buffer.of() : await readFile(this.#path(lease.jobId, 'log.ndjson'));
    if (log.length !== seal.length || createHash('sha256').update(log).digest('hex') !== seal.sha256)
      throw new RitmoError('RITMO_LOG_MISMATCH', `The log of ${lease.jobId} is not the one that was recorded.`, {
        retryable: false,
      });
    await writeFile(this.#path(lease.jobId, 'log.sha256'), `${seal.sha256}  log.ndjson\n`);
    return undefined;
  }

  /** The first result stands. */
  async finish(lease: Lease, result: JobResult): Promise<void> {
    await this.#check(lease);
    if (!(await exists(this.#path(lease.jobId, 'result.json')))) await this.#end(lease.jobId, result);
  }

  async deregister(): Promise<void> {}

  /** Ends the claim and the events that wait. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort(new RitmoError('RITMO_AGENT_STOPPING', 'The transport is closed.'));
  }

  /** A rename takes a job or fails: no two workers could have it, were there two. */
  async #take(max: number): Promise<readonly Offer[]> {
    const offers: Offer[] = [];
    for (const file of (await readdir(join(this.#folder, 'inbox'))).toSorted()) {
      const jobId = /^([A-Za-z0-9_-]{1,64})\.yaml$/.exec(file)?.[1];
      if (jobId === undefined || offers.length >= max || (await exists(this.#path(jobId, 'job.yaml')))) continue;
      await mkdir(this.#path(jobId), { recursive: true });
      await writeFile(this.#path(jobId, 'epoch'), String((await this.#epochOf(jobId)) + 1));
      await rename(join(this.#folder, 'inbox', file), this.#path(jobId, 'job.yaml'));
      const offer = await this.#offerOf(jobId);
      if (offer !== undefined) offers.push(offer);
    }
    return offers;
  }

  /** Nothing where the file is wrong: then that is the result of the job. */
  async #offerOf(jobId: string): Promise<Offer | undefined> {
    const parsed = parseJobFile(await readFile(this.#path(jobId, 'job.yaml'), 'utf8'));
    if (!parsed.ok) {
      await this.#end(jobId, refused(formatProblems(parsed.problems, 'job.yaml')));
      return undefined;
    }
    const lease = { jobId, epoch: await this.#epochOf(jobId), ttlMs };
    return { job: parsed.job, secrets: {}, lease, jobToken: this.#token, acceptWithinMs: 15_000 };
  }

  /** A stale lease is refused, so that nobody writes to what has ended. */
  async #check({ jobId, epoch }: Lease): Promise<void> {
    if ((await exists(this.#path(jobId, 'job.yaml'))) && (await this.#epochOf(jobId)) === epoch) return;
    throw new RitmoError('RITMO_FENCED', `Job ${jobId} is not this worker's any more.`);
  }

  /** The number of the present attempt; 0 before the first. */
  #epochOf(jobId: string): Promise<number> {
    return readFile(this.#path(jobId, 'epoch'), 'utf8').then(Number, () => 0);
  }

  async #isOpen(jobId: string): Promise<boolean> {
    return (await exists(this.#path(jobId, 'job.yaml'))) && !(await exists(this.#path(jobId, 'result.json')));
  }

  /** Until it is time to look again; rejects with the reason of what ends it, as it is. */
  async #pause(signal: AbortSignal): Promise<void> {
    const over = AbortSignal.any([signal, this.#closed.signal]);
    await sleep(lookMs, undefined, { signal: over }).catch(() => over.throwIfAborted());
  }

  async #cancelOf(jobId: string) {
    return (await exists(this.#path(jobId, 'cancel'))) ? { reason: 'user' as const, graceMs: 10_000 } : undefined;
  }

  /** As a whole or not at all. */
  async #end(jobId: string, result: JobResult): Promise<void> {
    const file = this.#path(jobId, 'result.json');
    await writeFile(`${file}.new`, `${JSON.stringify(result, null, 2)}\n`);
    await rename(`${file}.new`, file);
  }

  #path(jobId: string, ...rest: string[]): string {
    return join(this.#folder, 'jobs', jobId, ...rest);
  }
}

const ended = (failure: NonNullable<JobResult['failure']>): JobResult => {
  return { outcome: 'errored', failure, steps: [], durationMs: 0, artifacts: 0 };
};
const lost = ended({ code: 'RITMO_LEASE_LOST', message: 'The worker that had the job is gone.', retryable: true });
const refused = (message: string) => ended({ code: 'RITMO_JOB_INVALID', message, retryable: false });

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
