import { closeSync, existsSync, openSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Logger } from '@ritmo/agent-core/executor';
import type { Owner } from '@ritmo/host-linux';
import type { MachineHost } from '../machine/factory.js';
import type { Hardware } from '../machine/settings.js';
import { markUsed } from '../unused.js';
import { sealedCopy } from './sealed-memory.js';
import { ensureTemplate, type TemplateRequest, templateFolder } from './template.js';

/** More kinds of machines than this are not kept in memory; each takes about 100 MB, shared by its clones. */
const mostKept = 4;

/** What a clone is made of. The descriptor of the memory is lent until the clone has started. */
export interface OpenTemplate {
  readonly memory: number;
  readonly state: string;
}

export interface TemplatesSettings {
  readonly host: MachineHost;
  readonly cacheDir: string;
  readonly bootTimeoutMs: number;
  readonly mark: string;
  readonly log: Logger;
  /** Lends a user that machines may run as. */
  readonly withUser: <T>(work: (user: Owner | undefined, kvmNode: string | undefined) => Promise<T>) => Promise<T>;
}

/** Templates by hardware: made when they are first asked for, their memory kept open and sealed. */
export class Templates implements AsyncDisposable {
  readonly #settings: TemplatesSettings;
  readonly #open = new Map<string, Promise<OpenTemplate | undefined>>();
  readonly #discarded: Array<Promise<OpenTemplate | undefined>> = [];
  readonly #over = new AbortController();

  constructor(settings: TemplatesSettings) {
    this.#settings = settings;
  }

  /** Whether a template for it lies in the cache. */
  has(hardware: Hardware): boolean {
    return existsSync(templateFolder({ ...this.#settings, hardware }));
  }

  /** Undefined where none can be had here: then machines boot. Rejects when the signal is aborted. */
  async get(
    hardware: Hardware,
    signal: AbortSignal,
    progress: (text: string) => void,
  ): Promise<OpenTemplate | undefined> {
    const key = JSON.stringify(hardware);
    if (!this.has(hardware) && !this.#open.has(key))
      progress('Booting a machine to make a template of it; later ones take a tenth of a second');
    let opening = this.#open.get(key);
    if (opening === undefined) {
      opening = this.#make(hardware);
      this.#open.set(key, opening);
      opening.catch(() => this.#open.delete(key));
    } else {
      // The one used last is the last to go.
      this.#open.delete(key);
      this.#open.set(key, opening);
    }
    await this.#forgetOldest();
    return await abortable(opening, signal);
  }

  /** Takes away one from which no machine came back. Until this is opened again, such machines boot. */
  discard(hardware: Hardware): void {
    const key = JSON.stringify(hardware);
    rmSync(templateFolder({ ...this.#settings, hardware }), { recursive: true, force: true });
    const open = this.#open.get(key);
    // Other jobs may be about to use what is open.
    if (open !== undefined) this.#discarded.push(open);
    this.#open.set(key, Promise.resolve(undefined));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort(new Error('the executor is closed'));
    for (const opening of [...this.#open.values(), ...this.#discarded.splice(0)]) await release(opening);
    this.#open.clear();
  }

  async #make(hardware: Hardware): Promise<OpenTemplate | undefined> {
    const { withUser, log } = this.#settings;
    const template = await withUser((user, kvmNode) => {
      const request: TemplateRequest = { ...this.#settings, hardware, user, kvmNode, signal: this.#over.signal };
      return ensureTemplate(request);
    });
    try {
      return { memory: await sealedCopy(template.memory), state: template.state };
    } catch (error) {
      log.warn({ error: String(error) }, 'The memory of templates cannot be sealed; machines boot');
      return undefined;
    }
  }

  async #forgetOldest(): Promise<void> {
    while (this.#open.size > mostKept) {
      const [oldest] = this.#open;
      if (oldest === undefined) return;
      this.#open.delete(oldest[0]);
      await release(oldest[1]);
    }
  }
}

/** Machines that run hold the memory themselves. */
async function release(opening: Promise<OpenTemplate | undefined>): Promise<void> {
  const template = await opening.catch(() => undefined);
  if (template !== undefined) closeSync(template.memory);
}

async function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const over = new AbortController();
  const aborted = new Promise<never>((_, reject) =>
    signal.addEventListener('abort', () => reject(signal.reason as Error), { signal: over.signal }),
  );
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    over.abort();
  }
}

/** Opens the saved state, which each clone reads from its beginning. */
export function openState({ state }: OpenTemplate): number {
  markUsed(dirname(state));
  return openSync(state, 'r');
}
