import {
  type ArtifactFile,
  type ArtifactPlan,
  artifactsAnswer,
  completeRequest,
  empty,
  epochHeader,
  errorAnswer,
} from '@ritmo/protocol';
import { RitmoError } from '../errors.js';
import type { ApiClient } from './api-client.js';
import type { HttpAnswer } from './http-client.js';
import { isOver, type JobCalls, over } from './job-calls.js';
import { refusalError, retryAfterMs } from './server-answer.js';
import type { ArtifactTransport, Lease } from './transport.js';

type Target = Parameters<ArtifactTransport['upload']>[1];
const maxErrorBytes = 65_536;
const credentials = 'The operator of the API server should look at the credentials and the policy of its bucket.';
const room = 'Make room in the bucket, or on the disk of its server.';
/** For what a bucket answers to an address that the API server has signed. */
const hints: ReadonlyMap<string, string> = new Map([
  ['AccessDenied', credentials],
  ['InvalidAccessKeyId', credentials],
  ['SignatureDoesNotMatch', credentials],
  ['NoSuchBucket', 'The operator of the API server should make its bucket, or correct its name.'],
  ['RequestTimeTooSkewed', 'Set the clock of the API server, which signs the addresses (timedatectl set-ntp true).'],
  ['EntityTooLarge', 'Split the file: the store takes no larger ones.'],
  [
    'NotImplemented',
    'The operator of the API server should leave out what the store does not know: encryption=, storageClass=.',
  ],
  ['SlowDown', 'The bucket takes no more requests now; run fewer workers at once.'],
  ['InternalError', 'Look into the log of the store, and at its disk: some say no more when it is full.'],
  ['XMinioStorageFull', room],
  ['QuotaExceeded', room],
]);

/** Words that no renewed address changes; AccessDenied stands for an expired one too. */
const final: ReadonlySet<string> = new Set([
  'EntityTooLarge',
  'InvalidAccessKeyId',
  'NoSuchBucket',
  'NotImplemented',
  'SignatureDoesNotMatch',
]);

/** Artifacts through the API server, or to where it points. */
export class ArtifactCalls implements ArtifactTransport {
  readonly #api: ApiClient;
  readonly #jobs: JobCalls;

  constructor(api: ApiClient, jobs: JobCalls) {
    this.#api = api;
    this.#jobs = jobs;
  }

  async plan(lease: Lease, files: readonly ArtifactFile[], signal: AbortSignal): Promise<readonly ArtifactPlan[]> {
    const answer = await this.#jobs.call(
      lease,
      {
        method: 'POST',
        path: '/artifacts',
        json: files,
        headers: { [epochHeader]: String(lease.epoch) },
        schema: artifactsAnswer,
        timeoutMs: 60_000,
      },
      signal,
    );
    return answer.files;
  }

  async upload(
    lease: Lease,
    target: Target,
    body: AsyncIterable<Uint8Array>,
    size: number,
    signal: AbortSignal,
  ): Promise<{ readonly etag?: string }> {
    const answer = await this.#api.upload(withEpoch(lease, target), lease.token, body, size, signal);
    if (answer.status < 200 || answer.status >= 300) throw await this.#refused(lease, answer);
    const etag = answer.header('etag');
    await answer.discard();
    return etag === undefined ? {} : { etag };
  }

  async complete(
    lease: Lease,
    artifactId: string,
    done: { readonly sha256: string; readonly etags?: readonly string[] },
    signal: AbortSignal,
  ): Promise<void> {
    const json = completeRequest.parse({ ...done, epoch: lease.epoch });
    const path = `/artifacts/${encodeURIComponent(artifactId)}/complete`;
    await this.#jobs.call(lease, { method: 'POST', path, json, schema: empty, timeoutMs: 60_000 }, signal);
  }

  /** Mostly retryable: the same PUT, or one to a renewed address, may succeed. No address is ever in the message. */
  async #refused(lease: Lease, answer: HttpAnswer): Promise<RitmoError> {
    const { status } = answer;
    const wait = retryAfterMs(answer.header('retry-after'), this.#api.clock.now());
    const text = await answer.text(maxErrorBytes).catch(() => '');
    const ours = errorAnswer.safeParse(parse(text));
    if (ours.success) {
      const { error } = ours.data;
      if (isOver(status, error.code)) return over(lease, { kind: 'refused', status, error });
      return refusalError(status, error);
    }
    const word = /<Code>([A-Za-z]{1,64})<\/Code>/.exec(text)?.[1];
    const hint = word === undefined ? undefined : hints.get(word);
    return new RitmoError(
      'RITMO_ARTIFACT_UPLOAD',
      `The store answered ${status}${word === undefined ? '' : ` (${word})`}.`,
      {
        retryable: !isFinal(word, text),
        ...(hint === undefined ? {} : { hint }),
        ...(wait === undefined ? {} : { retryAfterMs: wait }),
      },
    );
  }
}

function isFinal(word: string | undefined, text: string): boolean {
  if (word === 'AccessDenied') return !/expired/i.test(text);
  return word !== undefined && final.has(word);
}

/** The API server wants the epoch on every write; a presigned address takes nothing but what was signed. */
function withEpoch(lease: Lease, target: Target): Target {
  if (!target.url.startsWith('/')) return target;
  return { url: target.url, headers: { [epochHeader]: String(lease.epoch), ...target.headers } };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
