import { type Clock, RitmoError } from '@ritmo/agent-core/executor';
import type { Credentials, DockerClient, PullEvent } from '../docker/client.js';
import { DockerError } from '../docker/error.js';
import { pullError } from './pull-error.js';
import type { ImageReference } from './reference.js';

const noteEveryMs = 5_000;

interface PullUnderWay {
  readonly done: Promise<void>;
  readonly listeners: Set<(note: string) => void>;
  readonly controller: AbortController;
  waiting: number;
}

/** Pulls images: one pull for all builds that want the same with the same credentials at once. */
export class Puller {
  readonly #docker: DockerClient;
  readonly #clock: Clock;
  readonly #idleMs: number;
  readonly #underWay = new Map<string, PullUnderWay>();

  constructor(docker: DockerClient, clock: Clock, idleMs: number) {
    this.#docker = docker;
    this.#clock = clock;
    this.#idleMs = idleMs;
  }

  /** Rejects with the signal's reason when aborted; the pull goes on while another build waits for it. */
  async pull(
    image: ImageReference,
    auth: Credentials | undefined,
    progress: (note: string) => void,
    signal: AbortSignal,
  ): Promise<void> {
    signal.throwIfAborted();
    const key = JSON.stringify([image.full, auth?.username, auth?.password, auth?.identitytoken]);
    const pull = this.#underWay.get(key) ?? this.#start(key, image, auth);
    pull.waiting += 1;
    pull.listeners.add(progress);
    const over = new AbortController();
    const aborted = new Promise<never>((_, reject) =>
      signal.addEventListener('abort', () => reject(signal.reason as Error), { signal: over.signal }),
    );
    try {
      await Promise.race([pull.done, aborted]);
    } finally {
      over.abort();
      pull.listeners.delete(progress);
      pull.waiting -= 1;
      if (pull.waiting === 0) pull.controller.abort(new Error('nobody waits for the image any more'));
    }
  }

  #start(key: string, image: ImageReference, auth: Credentials | undefined): PullUnderWay {
    const controller = new AbortController();
    const listeners = new Set<(note: string) => void>();
    const tell = (note: string) => listeners.forEach((listener) => listener(note));
    const done = this.#pull(image, auth, tell, controller).finally(() => {
      if (this.#underWay.get(key) === pull) this.#underWay.delete(key);
    });
    done.catch(() => undefined);
    const pull: PullUnderWay = { done, listeners, controller, waiting: 0 };
    controller.signal.addEventListener('abort', () => this.#underWay.delete(key), { once: true });
    this.#underWay.set(key, pull);
    return pull;
  }

  async #pull(
    image: ImageReference,
    auth: Credentials | undefined,
    tell: (note: string) => void,
    controller: AbortController,
  ): Promise<void> {
    let idle: NodeJS.Timeout | undefined;
    const alive = () => {
      clearTimeout(idle);
      idle = setTimeout(() => controller.abort(stalled(image, this.#idleMs)), this.#idleMs);
    };
    alive();
    try {
      const stream = await this.#docker.pull(image.pullable, auth, controller.signal);
      controller.signal.addEventListener('abort', () => stream.destroy(controller.signal.reason as Error));
      const layers = new LayerProgress();
      let notedAt = this.#clock.monotonic();
      tell(`Pulling ${image.full}.`);
      let rest = '';
      for await (const chunk of stream as AsyncIterable<Buffer>) {
        const lines = (rest + chunk.toString()).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) {
          if (line.trim() === '') continue;
          const event = JSON.parse(line) as PullEvent;
          if (event.error !== undefined) throw new DockerError(event.error, { status: 500 });
          if (layers.take(event)) alive();
        }
        if (this.#clock.monotonic() - notedAt >= noteEveryMs && layers.text !== undefined) {
          notedAt = this.#clock.monotonic();
          tell(`Pulling ${image.full}, ${layers.text}.`);
        }
      }
      controller.signal.throwIfAborted();
    } catch (error) {
      throw pullError(image, controller.signal.aborted ? controller.signal.reason : error);
    } finally {
      clearTimeout(idle);
    }
  }
}

/** Sums up what the daemon says of each layer. */
class LayerProgress {
  readonly #layers = new Map<string, { current: number; total: number }>();
  #last = '';

  /** Whether the event tells of progress: the same line again and again does not. */
  take({ id, status, progressDetail }: PullEvent): boolean {
    const said = JSON.stringify([id, status, progressDetail]);
    const isNew = said !== this.#last;
    this.#last = said;
    if (id === undefined || progressDetail?.total === undefined || status !== 'Downloading') return isNew;
    this.#layers.set(id, { current: progressDetail.current ?? 0, total: progressDetail.total });
    return isNew;
  }

  get text(): string | undefined {
    const layers = [...this.#layers.values()];
    const total = layers.reduce((sum, layer) => sum + layer.total, 0);
    if (total === 0) return undefined;
    const current = layers.reduce((sum, layer) => sum + layer.current, 0);
    return `${Math.floor((100 * current) / total)} % of ${Math.ceil(total / 2 ** 20)} MiB`;
  }
}

function stalled(image: ImageReference, ms: number): RitmoError {
  return new RitmoError(
    'RITMO_REGISTRY_UNREACHABLE',
    `The pull of ${image.full} made no progress for ${Math.round(ms / 1000)} seconds and was given up.`,
  );
}
