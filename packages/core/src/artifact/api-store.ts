import { createHash } from 'node:crypto';
import { type ArtifactFile, type ArtifactPlan, maxArtifactBatch } from '@ritmo/protocol';
import { systemClock } from '../clock.js';
import { RitmoError } from '../errors.js';
import type { Clock } from '../executor/host.js';
import type { ArtifactTransport, Lease, Transport } from '../transport/transport.js';
import { contentTypeOf } from './content-type.js';
import { mapUnordered } from './map-unordered.js';
import { SentParts } from './sent-parts.js';
import { Slots } from './slots.js';
import type { ArtifactRef, ArtifactSession, ArtifactSource, ArtifactStore, UploadScope } from './store.js';
import type { PlannedFile } from './put-range.js';
import { uploadFile } from './upload.js';

/** How files are sent. */
export interface ApiArtifactStoreOptions {
  /** Files on their way at once, from 1 to 64. Default: 6. */
  readonly parallel?: number;
  /** The system's by default. */
  readonly clock?: Clock;
  /** For pauses between tries; Math.random by default. */
  readonly random?: () => number;
}

/** A batch is planned once it holds so much, so that uploads begin before all files are collected. */
const batchBytes = 32 * 1024 * 1024;
/** Parts of large files that are in memory at once. */
const heldBytes = 24 * 1024 * 1024;
/** Names and link targets of one plan call, in characters: it must fit into a body of 4 MiB. */
const batchChars = 500_000;

/** Artifacts stored through the API server, or where it points to. Throws RITMO_USAGE where the transport has none. */
export function apiArtifactStore(transport: Transport, options: ApiArtifactStoreOptions = {}): ArtifactStore {
  const { artifacts } = transport;
  if (artifacts === undefined) {
    throw new RitmoError('RITMO_USAGE', `The transport ${transport.name} takes no artifacts.`, {
      hint: 'Use a folder or another store.',
    });
  }
  const parallel = options.parallel ?? 6;
  if (!Number.isInteger(parallel) || parallel < 1 || parallel > 64) {
    throw new RitmoError('RITMO_USAGE', `parallel must be a whole number from 1 to 64, not ${parallel}.`);
  }
  const settings = { parallel, clock: options.clock ?? systemClock, random: options.random ?? Math.random };
  return {
    name: 'api-server',
    open: async (lease, resume) => new ApiArtifactSession(artifacts, lease, settings, await SentParts.open(resume)),
    [Symbol.asyncDispose]: async () => undefined,
  };
}

class ApiArtifactSession implements ArtifactSession {
  readonly #transport: ArtifactTransport;
  readonly #lease: Lease;
  readonly #settings: Required<ApiArtifactStoreOptions>;
  readonly #slots: Slots;
  readonly #sentParts: SentParts;

  constructor(
    transport: ArtifactTransport,
    lease: Lease,
    settings: Required<ApiArtifactStoreOptions>,
    sentParts: SentParts,
  ) {
    this.#sentParts = sentParts;
    this.#transport = transport;
    this.#lease = lease;
    this.#settings = settings;
    this.#slots = new Slots(settings.parallel, heldBytes);
  }

  add(files: AsyncIterable<ArtifactSource>, scope: UploadScope): AsyncIterable<ArtifactRef> {
    const { parallel, clock, random } = this.#settings;
    const [slots, sentParts] = [this.#slots, this.#sentParts];
    const { progress } = scope;
    const upload = { transport: this.#transport, lease: this.#lease, clock, random, slots, sentParts, progress };
    const store = async (planned: PlannedFile, signal: AbortSignal) => {
      try {
        return await uploadFile(upload, planned, signal);
      } finally {
        await planned.source.release();
      }
    };
    return mapUnordered(this.#planned(files, scope.signal), parallel, store, scope.signal);
  }

  /** Files are listed by the server as each is complete: nothing is left to do. */
  async commit(): Promise<void> {
    this.#sentParts.close();
  }

  /** What is not complete is never listed, and the server removes it with the attempt. */
  async abort(): Promise<void> {
    this.#sentParts.close();
  }

  async *#planned(files: AsyncIterable<ArtifactSource>, signal: AbortSignal): AsyncGenerator<PlannedFile> {
    for await (const batch of batches(files)) {
      const waiting = [...batch];
      try {
        const described = batch.map((source) => describe(this.#lease, source));
        const plans = await this.#transport.plan(this.#lease, described, signal);
        const byId = new Map(plans.map((plan) => [plan.artifactId, plan]));
        for (const plan of await this.#asked(batch, described, byId, signal)) byId.set(plan.artifactId, plan);
        for (const file of described) {
          const source = waiting.shift() as ArtifactSource;
          yield { source, file, plan: byId.get(file.artifactId) };
        }
      } finally {
        for (const source of waiting) await source.release();
      }
    }
  }

  /** Asks once more, with their sha256, for files of a size that the project has: many need not be sent at all. */
  async #asked(
    sources: readonly ArtifactSource[],
    described: readonly ArtifactFile[],
    plans: ReadonlyMap<string, ArtifactPlan>,
    signal: AbortSignal,
  ): Promise<readonly ArtifactPlan[]> {
    const again: ArtifactFile[] = [];
    for (const [index, file] of described.entries()) {
      const source = sources[index];
      if (plans.get(file.artifactId)?.known !== true || !source) continue;
      const hash = createHash('sha256');
      for await (const bytes of source.read()) {
        signal.throwIfAborted();
        hash.update(bytes);
      }
      again.push({ ...file, sha256: hash.digest('hex') });
    }
    return again.length === 0 ? [] : this.#transport.plan(this.#lease, again, signal);
  }
}

async function* batches(files: AsyncIterable<ArtifactSource>): AsyncGenerator<ArtifactSource[]> {
  let batch: ArtifactSource[] = [];
  let bytes = 0;
  let chars = 0;
  try {
    for await (const file of files) {
      batch.push(file);
      bytes += file.size;
      chars += file.path.length + (file.linkTarget?.length ?? 0);
      if (batch.length < maxArtifactBatch && bytes < batchBytes && chars < batchChars) continue;
      const full = batch;
      batch = [];
      bytes = 0;
      chars = 0;
      yield full;
    }
    const rest = batch;
    batch = [];
    if (rest.length > 0) yield rest;
  } finally {
    for (const file of batch) await file.release();
  }
}

/** Ids are made from what they stand for, so that a repeat is one for the server too. */
export function artifactIdOf(lease: Lease, name: string, path: string): string {
  const hash = createHash('sha256').update(JSON.stringify([lease.jobId, lease.epoch, name, path]));
  return hash.digest('base64url').slice(0, 32);
}

function describe(lease: Lease, source: ArtifactSource): ArtifactFile {
  return {
    artifactId: artifactIdOf(lease, source.name, source.path),
    name: source.name,
    path: source.path,
    size: source.size,
    mode: source.mode & 0o7777,
    contentType: contentTypeOf(source.path),
    ...(source.linkTarget === undefined ? {} : { linkTarget: source.linkTarget }),
  };
}
