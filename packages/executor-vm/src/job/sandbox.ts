import { randomBytes } from 'node:crypto';
import { posix } from 'node:path';
import {
  type CollectedEntry,
  type CollectRequest,
  type FileEntry,
  refusedStep,
  type ResourceUsage,
  RitmoError,
  type Sandbox,
  type StepExit,
  type StepScope,
  type StepSpec,
  stepFolder,
} from '@ritmo/agent-core/executor';
import { askedFor, fromSpool, Spool, type SpooledEntry, tarAround } from '@ritmo/host-linux';
import { Unreadable } from '../ext4/unreadable.js';
import { readCollected } from '../files/collect.js';
import { collectFromDisk } from '../files/from-disk.js';
import { keepTaken, takenBefore } from '../files/taken-out.js';
import { insidePaths } from '../guest/scripts.js';
import { runStep } from '../step/run-step.js';
import { type Job, workdir } from './job.js';

const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** A job whose machine is ready for its steps. */
export class VmSandbox implements Sandbox {
  readonly id: string;
  readonly workdir = workdir;
  readonly privateDir = insidePaths.privateDir;
  readonly description: string;
  readonly #job: Job;
  #running: Promise<unknown> | undefined;
  #spool: Spool | undefined;

  constructor(job: Job) {
    this.id = job.id;
    this.description = job.description;
    this.#job = job;
  }

  async put(files: AsyncIterable<FileEntry> | Iterable<FileEntry>, dest: string, signal: AbortSignal): Promise<void> {
    const folder = this.#insidePath(dest);
    const { control, data } = this.#job.machine;
    const owner = this.#job.inside;
    for await (const entry of files) {
      signal.throwIfAborted();
      const path = Buffer.concat([Buffer.from(`${folder}/`), pathOf(entry)]).subarray(1);
      const { head, tail } = tarAround(entry, path, owner);
      const size = entry.kind === 'file' ? entry.size : 0;
      const taken = this.#ask(control.ask('put', head.length + size + tail.length));
      await data.write(head);
      let sent = 0;
      if (entry.kind === 'file') {
        for await (const chunk of entry.body) {
          sent += chunk.length;
          if (sent <= size) await data.write(chunk);
        }
        // The guest waits for what was announced.
        if (sent < size) await data.write(Buffer.alloc(size - sent));
      }
      await data.write(tail);
      await taken;
      if (sent !== size) throw new RitmoError('RITMO_INTERNAL', `${entry.path} has ${sent} bytes, and not ${size}.`);
    }
  }

  async remove(paths: readonly string[], signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (paths.length === 0) return;
    const { control, data } = this.#job.machine;
    const list = Buffer.from(paths.map((path) => `${this.#insidePath(path)}\0`).join(''));
    const removed = this.#ask(control.ask('remove', list.length));
    await data.write(list);
    await removed;
  }

  async run(step: StepSpec, scope: StepScope): Promise<StepExit> {
    const { machine, image, home, host, stepBounds } = this.#usable();
    if (step.user !== undefined) return refusedStep(`A machine has one user; a step cannot be ${step.user}.`);
    let cwd: string;
    try {
      cwd = stepFolder(workdir, step);
    } catch (error) {
      return { status: 'not-started', error: RitmoError.from(error) };
    }
    if (this.#running !== undefined)
      throw new RitmoError('RITMO_SANDBOX_BROKEN', `Sandbox ${this.id} runs a command already.`);
    const env = { PATH: defaultPath, HOME: home, TMPDIR: insidePaths.tmp, ...image.env, ...step.env };
    const running = runStep(machine, { argv: step.argv, cwd, env }, stepBounds, scope, host.clock);
    this.#running = running;
    try {
      return await this.#job.during(running);
    } finally {
      this.#running = undefined;
    }
  }

  async gather(requests: readonly CollectRequest[], signal: AbortSignal): Promise<void> {
    let files = 0;
    let bytes = 0;
    for (const request of requests) {
      const left = { ...request, maxFiles: request.maxFiles - files, maxBytes: request.maxBytes - bytes };
      try {
        const entries = await this.#job.during(this.#collect(left, signal));
        files += entries.length;
        for (const entry of entries) bytes += entry.kind === 'file' ? entry.size : 0;
        keepTaken(this.#job.folders.spool, request, entries);
      } catch (error) {
        signal.throwIfAborted();
        // What is wrong with these patterns is found again by their `collect`, when the files before them are stored.
        if (error instanceof RitmoError && error.code === 'RITMO_ARTIFACT_LIMIT') return;
        throw error;
      }
    }
  }

  async *collect(request: CollectRequest, signal: AbortSignal): AsyncGenerator<CollectedEntry> {
    signal.throwIfAborted();
    const { spool } = this.#job.folders;
    const gathered = this.#spool === undefined ? undefined : takenBefore(spool, request);
    for (const entry of gathered ?? (await this.#job.during(this.#collect(request, signal)))) {
      signal.throwIfAborted();
      yield fromSpool(spool, entry);
    }
  }

  usage(signal: AbortSignal): Promise<ResourceUsage> {
    this.#usable();
    if (signal.aborted) return Promise.reject(signal.reason as Error);
    return Promise.resolve(this.#job.usage());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#job[Symbol.asyncDispose]();
  }

  async #collect(request: CollectRequest, signal: AbortSignal): Promise<SpooledEntry[]> {
    const spool = (this.#spool ??= new Spool(this.#job.folders.spool));
    return (await this.#fromDisk(request, spool, signal)) ?? (await this.#fromGuest(request, spool, signal));
  }

  /** Reads the disk itself, once the guest has written all that it knows; undefined where that cannot be, or takes longer. */
  async #fromDisk(request: CollectRequest, spool: Spool, signal: AbortSignal): Promise<SpooledEntry[] | undefined> {
    const { machine, folders, host } = this.#usable();
    // Whatever else is wrong with the machine is told by the archive that it is asked for then.
    const settled = await machine.control.ask('settle').then(
      () => true,
      () => false,
    );
    signal.throwIfAborted();
    if (!settled) return undefined;
    try {
      return await collectFromDisk(folders.disk, request, spool, signal);
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error;
      host.log.warn({ sandboxId: this.id, error: error.message }, 'The disk of a machine cannot be read from outside');
      return undefined;
    }
  }

  /** Has the guest send an archive. */
  async #fromGuest(request: CollectRequest, spool: Spool, signal: AbortSignal): Promise<SpooledEntry[]> {
    const { control, data } = this.#usable().machine;
    const mark = randomBytes(16).toString('hex');
    const list = Buffer.from(
      askedFor(request.include)
        .map((name) => `${name}\0`)
        .join(''),
    );
    const sent = control.ask('collect', mark, list.length);
    sent.catch(() => undefined);
    await data.write(list);
    const stop = () => control.tell('uncollect');
    signal.addEventListener('abort', stop, { once: true });
    try {
      const entries = await readCollected(data, mark, request, spool);
      await sent;
      signal.throwIfAborted();
      return entries;
    } catch (error) {
      stop();
      await sent;
      signal.throwIfAborted();
      throw error;
    } finally {
      signal.removeEventListener('abort', stop);
    }
  }

  #ask<T>(answer: Promise<T>): Promise<T> {
    // Told later, when what belongs to the question was sent.
    answer.catch(() => undefined);
    return answer;
  }

  #insidePath(path: string): string {
    this.#usable();
    const normal = posix.normalize(path).replace(/\/$/, '');
    const allowed = [insidePaths.privateDir, workdir].some((root) => normal === root || normal.startsWith(`${root}/`));
    if (allowed && !normal.includes('\0')) return normal;
    throw new RitmoError('RITMO_WORKSPACE_ESCAPE', `${path} is neither in the workspace nor in the private folder.`);
  }

  #usable(): Job {
    this.#job.assertUsable();
    return this.#job;
  }
}

function pathOf({ path, pathBytes }: FileEntry): Buffer {
  const bytes = pathBytes === undefined ? Buffer.from(path) : Buffer.from(pathBytes);
  const parts = bytes.toString('latin1').split('/');
  if (bytes[0] === 0x2f || parts.includes('..') || bytes.includes(0))
    throw new RitmoError('RITMO_WORKSPACE_ESCAPE', `${path} is absolute, or leaves its folder.`);
  return bytes;
}
