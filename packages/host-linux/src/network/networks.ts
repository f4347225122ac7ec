import { join } from 'node:path';
import { RitmoError } from '@ritmo/agent-core/executor';
import type { Owner } from '../files/write-tree.js';
import { LocalRule } from './local-rule.js';
import { findNetworkTools, type NetworkTools, withTunNode } from './network-tools.js';
import { PrivateNetwork } from './private-network.js';

const isRoot = () => process.getuid?.() === 0;

/** Networks that are kept ready at the most: each is two small processes. */
const mostReady = 4;

/** The way out of one job. */
export interface JobNetwork extends AsyncDisposable {
  /** argv before that of what is to run in it. */
  enter(): string[];
  /** Called before each command: the host may have new addresses. */
  closeHost(): Promise<void>;
}

/**
 * Makes private networks for jobs: the network `isolated`. When a job has ended, the next one of its user is made ready;
 * none ever serves two jobs.
 */
export class Networks implements AsyncDisposable {
  /** Whether the host's packet filter guards too; otherwise routes alone do. */
  readonly guarded: boolean;
  readonly #tools: NetworkTools;
  readonly #rule: LocalRule | undefined;
  /** By user. */
  readonly #ready = new Map<number, Promise<JobNetwork | undefined>>();
  readonly #closing = new AbortController();

  private constructor(tools: NetworkTools, rule: LocalRule | undefined) {
    this.#tools = tools;
    this.#rule = rule;
    this.guarded = rule !== undefined;
  }

  /** Opens one network to see; `why` says what stands in the way. */
  static async tryOut(instance: string, user: Owner): Promise<Networks | { readonly why: string }> {
    const tools = findNetworkTools();
    if ('missing' in tools) return { why: `${tools.missing.join(', ')} missing` };
    const rule = await LocalRule.open();
    try {
      const networks = new Networks(withTunNode(tools, join(instance, 'tun')), rule);
      await using network = await networks.#make(user, AbortSignal.timeout(20_000));
      network.enter();
      return networks;
    } catch (error) {
      await rule?.[Symbol.asyncDispose]();
      return { why: (error instanceof Error ? error.message : String(error)).trim() };
    }
  }

  /** Rejects with RITMO_EXECUTOR_UNAVAILABLE when it cannot be made now. */
  async open(user: Owner, signal: AbortSignal): Promise<JobNetwork> {
    const network = (await this.#takeReady(user)) ?? (await this.#make(user, signal));
    return {
      enter: () => network.enter(),
      closeHost: () => network.closeHost(),
      [Symbol.asyncDispose]: async () => {
        await network[Symbol.asyncDispose]();
        this.#makeReady(user);
      },
    };
  }

  /** For a job of this user that may reach the host: the network that was made ready goes, and with it its rule. */
  async forget(user: Owner): Promise<void> {
    const making = this.#ready.get(user.uid);
    this.#ready.delete(user.uid);
    await (await making)?.[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort(new Error('the executor is closed'));
    const ready = [...this.#ready.values()];
    this.#ready.clear();
    for (const each of ready) await (await each)?.[Symbol.asyncDispose]();
    await this.#rule?.[Symbol.asyncDispose]();
  }

  #makeReady(user: Owner): void {
    if (this.#closing.signal.aborted || this.#ready.has(user.uid) || this.#ready.size >= mostReady) return;
    // One that cannot be made now is made when a job asks for it, which then says what is wrong.
    this.#ready.set(
      user.uid,
      this.#make(user, this.#closing.signal).catch(() => undefined),
    );
  }

  /** The one that was made ready for this user, where it is sound and closed to the addresses that the host has now. */
  async #takeReady(user: Owner): Promise<JobNetwork | undefined> {
    const making = this.#ready.get(user.uid);
    this.#ready.delete(user.uid);
    const network = await making;
    try {
      network?.enter();
      await network?.closeHost();
      return network;
    } catch {
      await network?.[Symbol.asyncDispose]();
      return undefined;
    }
  }

  async #make(user: Owner, signal: AbortSignal): Promise<JobNetwork> {
    const rule = this.#rule;
    const owner = isRoot() ? user : undefined;
    let ruled = false;
    try {
      // First: nothing may pass before the host is closed.
      await rule?.add(user.uid);
      ruled = rule !== undefined;
      const network = await PrivateNetwork.open({ tools: this.#tools, owner, signal });
      return {
        enter: () => network.enter(),
        closeHost: () => network.closeHost(),
        [Symbol.asyncDispose]: async () => {
          await network[Symbol.asyncDispose]();
          if (ruled) await rule?.remove(user.uid);
          ruled = false;
        },
      };
    } catch (error) {
      if (ruled) await rule?.remove(user.uid);
      signal.throwIfAborted();
      const said = error instanceof Error ? error.message : String(error);
      throw new RitmoError('RITMO_EXECUTOR_UNAVAILABLE', `The network of the job could not be made: ${said}`, {
        cause: error,
      });
    }
  }
}
