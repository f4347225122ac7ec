import { join } from 'node:path';
import { RitmoError } from '@ritmo/agent-core/executor';
import type { Owner } from '../files/write-tree.js';
import { LocalRule } from './local-rule.js';
import { findNetworkTools, type NetworkTools, withTunNode } from './network-tools.js';
import { PrivateNetwork } from './private-network.js';

const isRoot = () => process.getuid?.() === 0;

/** The way out of one job. */
export interface JobNetwork extends AsyncDisposable {
  /** argv before that of what is to run in it. */
  enter(): string[];
  /** Called before each command: the host may have new addresses. */
  closeHost(): Promise<void>;
}

/** Makes private networks for jobs: the network `isolated`. */
export class Networks implements AsyncDisposable {
  /** Whether the host's packet filter guards too; otherwise routes alone do. */
  readonly guarded: boolean;
  readonly #tools: NetworkTools;
  readonly #rule: LocalRule | undefined;

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
      await using network = await networks.open(user, AbortSignal.timeout(20_000));
      network.enter();
      return networks;
    } catch (error) {
      await rule?.[Symbol.asyncDispose]();
      return { why: (error instanceof Error ? error.message : String(error)).trim() };
    }
  }

  /** Rejects with RITMO_EXECUTOR_UNAVAILABLE when it cannot be made now. */
  async open(user: Owner, signal: AbortSignal): Promise<JobNetwork> {
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

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#rule?.[Symbol.asyncDispose]();
  }
}
