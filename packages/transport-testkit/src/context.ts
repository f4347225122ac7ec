import assert from 'node:assert/strict';
import { within } from '@ritmo/conformance';
import type { KitBuild } from './build.js';
import type { Facts } from './case.js';
import type { KitJob, TransportPlace, TransportSubject } from './subject.js';
import { KitWorker } from './worker.js';

/** What a case works with: a place of its own, and workers that are connected to it. All of it ends with the case. */
export class CaseContext implements AsyncDisposable {
  readonly subject: TransportSubject;
  readonly place: TransportPlace;
  readonly #workers: KitWorker[] = [];
  readonly #over = new AbortController();

  private constructor(subject: TransportSubject, place: TransportPlace) {
    this.subject = subject;
    this.place = place;
  }

  static async open(subject: TransportSubject): Promise<CaseContext> {
    const ms = 60_000 * (subject.timeScale ?? 1);
    return new CaseContext(subject, await within('open', ms, subject.open()));
  }

  get facts(): Facts {
    const { abilities } = this.subject;
    const can = (method: keyof TransportPlace) => this.place[method] !== undefined;
    return { ...abilities, lose: can('lose'), artifacts: can('files'), loseAnswer: can('loseAnswer') };
  }

  /** A bound of time under the subject's scale. */
  ms = (ms: number): number => ms * (this.subject.timeScale ?? 1);

  /** Bounds what a place or a transport may take for ever for. */
  within = <T>(what: string, ms: number, promise: Promise<T>): Promise<T> => within(what, this.ms(ms), promise);

  /** Hands a job in, and answers its id. */
  submit(over: Partial<KitJob> = {}, secrets: Readonly<Record<string, string>> = {}): Promise<string> {
    const job: KitJob = {
      name: 'kit',
      steps: [{ run: 'true' }],
      secrets: [],
      onLost: 'requeue',
      attempts: 5,
      ...over,
    };
    return this.within('submit', 20_000, this.place.submit(job, secrets));
  }

  /** A worker that is connected and not registered. */
  async connect(name = 'kit'): Promise<KitWorker> {
    const transport = await this.within('connect', 20_000, Promise.resolve(this.place.connect()));
    const worker = new KitWorker(transport, name, { signal: this.#over.signal, ms: this.ms });
    this.#workers.push(worker);
    return worker;
  }

  async worker(name?: string): Promise<KitWorker> {
    const worker = await this.connect(name);
    await worker.register();
    return worker;
  }

  /** A job in the hands of a worker, accepted. */
  async build(): Promise<KitBuild> {
    const jobId = await this.submit();
    const worker = await this.worker();
    const build = await worker.claimOne();
    assert.equal(build.lease.jobId, jobId, 'another job was offered than the one that is there');
    await build.accept();
    return build;
  }

  /** A worker that was there before, after its restart: another transport and another instance, the same name. */
  async back(before: KitWorker): Promise<KitWorker> {
    await this.leave(before);
    const worker = await this.connect(before.info.name);
    await worker.register(before.registration?.resumeKey);
    return worker;
  }

  /** Closes the transport of a worker, as its death does. */
  async leave(worker: KitWorker): Promise<void> {
    this.#workers.splice(this.#workers.indexOf(worker), 1);
    await this.#dispose(worker);
  }

  /** The text of the log that arrived of one attempt. */
  async log({ lease: { jobId, epoch } }: KitBuild): Promise<string> {
    return Buffer.from(await this.within('log', 20_000, this.place.log(jobId, epoch))).toString();
  }

  ended(jobId: string): ReturnType<TransportPlace['ended']> {
    return this.within('ended', 20_000, this.place.ended(jobId));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort(new Error('the case is over'));
    const problems: string[] = [];
    for (const worker of this.#workers.splice(0).toReversed()) {
      await this.#dispose(worker).catch((error: unknown) => problems.push(String(error)));
    }
    const closing = Promise.resolve(this.place[Symbol.asyncDispose]());
    await this.within('dispose of the place', 30_000, closing).catch((error: unknown) => problems.push(String(error)));
    if (problems.length > 0) throw new Error(`cleaning up failed: ${problems.join('; ')}`);
  }

  /** Twice: a transport may be closed by whoever made it, and by the agent. */
  async #dispose({ transport }: KitWorker): Promise<void> {
    for (let times = 0; times < 2; times++) {
      await this.within('dispose of the transport', 20_000, Promise.resolve(transport[Symbol.asyncDispose]()));
    }
  }
}
