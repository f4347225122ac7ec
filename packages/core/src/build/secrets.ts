import { type Job, secretNamesOf } from '@ritmo/protocol';
import { RitmoError } from '../errors.js';
import type { FileEntry, Sandbox } from '../executor/sandbox.js';
import type { MaskSet } from '../log/index.js';
import { textFile } from './step-files.js';

/** The secrets of one build: in the agent's memory only, from its claim to its end. */
export class BuildSecrets {
  readonly #job: Job;
  readonly #values: ReadonlyMap<string, string>;

  constructor(job: Job, values: Readonly<Record<string, string>>) {
    const named = secretNamesOf(job);
    this.#job = job;
    this.#values = new Map(Object.entries(values).filter(([name]) => named.has(name)));
  }

  get(name: string): string | undefined {
    return this.#values.get(name);
  }

  /** Hides every value in the log. Answers names whose values are too short to be hidden. */
  hide(masks: MaskSet): readonly string[] {
    const short: string[] = [];
    for (const [name, value] of this.#values) {
      if (value !== '' && masks.add(value) === 'too-short') short.push(name);
    }
    const credentials = this.#job.source?.credentials;
    const pair = credentials === undefined ? undefined : this.#values.get(credentials);
    // git sends user and password apart from each other.
    if (pair?.includes(':')) masks.add(pair.slice(pair.indexOf(':') + 1));
    return short;
  }

  /** @throws RITMO_SECRET_MISSING with all names that were not delivered. */
  checkDelivered(): void {
    const missing = [...secretNamesOf(this.#job)].filter((name) => !this.#values.has(name));
    if (missing.length === 0) return;
    const them = missing.length === 1 ? `The secret ${missing[0]} was` : `The secrets ${missing.join(', ')} were`;
    throw new RitmoError('RITMO_SECRET_MISSING', `${them} not delivered with the job.`);
  }

  /** Writes those that are wanted as files into the sandbox; answers the variables that steps get. */
  async deliver(sandbox: Sandbox, signal: AbortSignal): Promise<Record<string, string>> {
    const variables: Record<string, string> = {};
    const files: FileEntry[] = [];
    for (const { name, as } of this.#job.secrets) {
      const value = this.#values.get(name) ?? '';
      if (as === 'env') {
        variables[name] = value;
      } else {
        files.push(textFile(`secrets/${name}`, value, 0o400));
        variables[name] = `${sandbox.privateDir}/secrets/${name}`;
      }
    }
    if (files.length > 0) await sandbox.put(files, sandbox.privateDir, signal);
    return variables;
  }
}
