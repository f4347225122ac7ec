import { type Job, secretNamesOf } from '@ritmo/protocol';
import { RitmoError } from '../errors.js';
import type { FileEntry, Sandbox } from '../executor/sandbox.js';
import type { MaskSet } from '../log/index.js';
import { askForSecrets } from '../secrets/ask.js';
import type { SecretRequest, SecretSource } from '../secrets/provider.js';
import { textFile } from './step-files.js';

/** The secrets of one build: in the agent's memory only, from its claim to its end. */
export class BuildSecrets {
  readonly #job: Job;
  readonly #values: Map<string, string>;
  readonly #hidden = new Set<string>();

  constructor(job: Job, values: Readonly<Record<string, string>>) {
    const named = secretNamesOf(job);
    this.#job = job;
    this.#values = new Map(Object.entries(values).filter(([name]) => named.has(name)));
  }

  /** A value that came with the job, or was had for it. */
  get(name: string): string | undefined {
    return this.#values.get(name);
  }

  /**
   * Has the names that did not come with the job from the operator's providers.
   * @throws RITMO_SECRET_PROVIDER
   */
  async ask(source: SecretSource, request: Omit<SecretRequest, 'name'>, signal: AbortSignal): Promise<void> {
    const found = await askForSecrets(source, this.#missing(), request, signal);
    for (const [name, value] of found) this.#values.set(name, value);
  }

  /** Hides every value in the log. Answers a warning for each that is too short to be hidden, once. */
  hide(masks: MaskSet): readonly string[] {
    const warnings: string[] = [];
    for (const [name, value] of this.#values) {
      if (this.#hidden.has(name)) continue;
      this.#hidden.add(name);
      if (value !== '' && masks.add(value) === 'too-short')
        warnings.push(`The secret ${name} has less than 4 bytes and is not hidden in this log.`);
    }
    const credentials = this.#job.source?.credentials;
    const pair = credentials === undefined ? undefined : this.#values.get(credentials);
    // git sends user and password apart from each other.
    if (pair?.includes(':')) masks.add(pair.slice(pair.indexOf(':') + 1));
    return warnings;
  }

  /** @throws RITMO_SECRET_MISSING with all names that were not delivered. */
  checkDelivered(): void {
    const missing = this.#missing();
    if (missing.length === 0) return;
    const them = missing.length === 1 ? `The secret ${missing[0]} was` : `The secrets ${missing.join(', ')} were`;
    throw new RitmoError('RITMO_SECRET_MISSING', `${them} not delivered with the job.`);
  }

  #missing(): readonly string[] {
    return [...secretNamesOf(this.#job)].filter((name) => !this.#values.has(name));
  }

  /** Writes those that are wanted as files into the sandbox; answers the variables that steps get. */
  async deliver(sandbox: Sandbox, signal: AbortSignal): Promise<Record<string, string>> {
    const files: FileEntry[] = [];
    for (const { name, as } of this.#job.secrets)
      if (as !== 'env') files.push(textFile(`secrets/${name}`, this.#values.get(name) ?? '', 0o400));
    if (files.length > 0) await sandbox.put(files, sandbox.privateDir, signal);
    return this.variables(sandbox);
  }

  /** The variables that steps get, where the files are in the sandbox already. */
  variables(sandbox: Pick<Sandbox, 'privateDir'>): Record<string, string> {
    const named = this.#job.secrets.map(({ name, as }) => [
      name,
      as === 'env' ? (this.#values.get(name) ?? '') : `${sandbox.privateDir}/secrets/${name}`,
    ]);
    return Object.fromEntries(named);
  }
}
