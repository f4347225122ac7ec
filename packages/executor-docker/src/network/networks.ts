import { setTimeout as sleep } from 'node:timers/promises';
import { type JobId, RitmoError, type SandboxId } from '@ritmo/agent-core/executor';
import type { DaemonInfo, DockerClient } from '../docker/client.js';
import { DockerError } from '../docker/error.js';
import { labelNames, labelsOf, ownerMark } from '../job/names.js';
import { BridgeRules } from './rules.js';
import { freeSubnets, hostSubnets } from './subnets.js';

const sharedBits = 20;
const jobBits = 27;
const sharedRole = 'shared-network';

export interface NetworksSettings {
  readonly docker: DockerClient;
  readonly engine: DaemonInfo['engine'];
  readonly owner: string;
  readonly addressRange: string;
}

/**
 * Networks of one installation: a bridge that all jobs share without reaching each other, and one for each job that
 * has services. Host and link-local addresses are closed to both by rule.
 */
export class Networks {
  readonly #docker: DockerClient;
  readonly #owner: string;
  readonly #range: string;
  /** Podman makes a bridge when its first container comes: until then no other engine sees that its subnet is taken. */
  readonly #from: 'first' | 'last';
  readonly #rules: BridgeRules;
  #shared: Promise<string> | undefined;
  /** Making a network: one at a time, since each takes the first free subnet. */
  #queue: Promise<unknown> = Promise.resolve();

  private constructor({ docker, engine, owner, addressRange }: NetworksSettings, rules: BridgeRules) {
    this.#docker = docker;
    this.#owner = owner;
    this.#range = addressRange;
    this.#from = engine === 'Podman' ? 'last' : 'first';
    this.#rules = rules;
  }

  /**
   * Sets the rules, or tells in sentences why they cannot be set, and what mends it. `sameNetwork`: whether the daemon makes
   * its bridges where the agent sets its rules.
   */
  static async open(settings: NetworksSettings, sameNetwork: boolean): Promise<Networks | string> {
    if (process.getuid?.() !== 0) {
      return 'only root can close the host to builds by rule. Run the agent as root, with nftables: apt-get install nftables.';
    }
    if (!sameNetwork) {
      return 'the daemon is in another network namespace than the agent, where rules of the agent close nothing. Run both in one: an agent in a container with `--network host`.';
    }
    const rules = new BridgeRules(ownerMark(settings.owner));
    try {
      await rules.set();
    } catch (error) {
      const said = error instanceof Error ? error.message : String(error);
      return `no rule can be set that closes the host to builds (${said}). Install nftables: apt-get install nftables.`;
    }
    return new Networks(settings, rules);
  }

  /** Name of the network of all jobs without services; it is made when the first of them comes. */
  shared(): Promise<string> {
    this.#shared ??= this.#makeShared().catch((error: unknown) => {
      this.#shared = undefined;
      throw error;
    });
    return this.#shared;
  }

  /** Makes a network for one job; `internal` has no way out. */
  async ofJob(sandbox: SandboxId, job: JobId, internal: boolean): Promise<MadeNetwork> {
    const name = `ritmo-${sandbox}`;
    const labels = labelsOf(this.#owner, sandbox, job, 'network');
    return await this.#make({
      name,
      bits: jobBits,
      labels,
      internal,
      talk: true,
      bridge: (n) => this.#rules.jobBridge(n),
    });
  }

  /** Takes away what is left when no job is. */
  async close(): Promise<void> {
    try {
      const ours = await this.#docker.listNetworks(`${labelNames.owner}=${this.#owner}`);
      for (const { id, labels } of ours) if (labels[labelNames.role] === sharedRole) await this.#removeUnused(id);
    } finally {
      await this.#rules.remove();
    }
  }

  async #removeUnused(id: string): Promise<void> {
    try {
      await this.#docker.removeNetwork(id);
    } catch (error) {
      // Still in use: by an agent of the same installation that is about to take it over.
      if (!(error instanceof DockerError && error.status === 403)) throw error;
    }
  }

  async #makeShared(): Promise<string> {
    const name = `ritmo-${ownerMark(this.#owner)}`;
    const there = await this.#docker.listNetworks(`${labelNames.owner}=${this.#owner}`);
    if (there.some((network) => network.name === name)) return name;
    const labels = { [labelNames.owner]: this.#owner, [labelNames.role]: sharedRole };
    const bridge = () => this.#rules.sharedBridge;
    await this.#make({ name, bits: sharedBits, labels, internal: false, talk: false, bridge });
    return name;
  }

  #make(request: NetworkRequest): Promise<MadeNetwork> {
    const made = this.#queue.then(() => this.#makeNow(request));
    this.#queue = made.catch(() => undefined);
    return made;
  }

  async #makeNow({ name, bits, labels, internal, talk, bridge }: NetworkRequest): Promise<MadeNetwork> {
    const used = (await this.#docker.listNetworks()).flatMap(({ subnets }) => subnets);
    let number = 0;
    let ruleTries = 0;
    for (const subnet of freeSubnets(this.#range, bits, [...used, ...hostSubnets()], this.#from)) {
      number += 1;
      try {
        await this.#docker.createNetwork({
          Name: name,
          CheckDuplicate: true,
          Driver: 'bridge',
          Internal: internal,
          IPAM: { Driver: 'default', Config: [{ Subnet: subnet }] },
          Options: {
            'com.docker.network.bridge.name': bridge(numberOf(subnet)),
            'com.docker.network.bridge.enable_icc': String(talk),
          },
          Labels: labels,
        });
        return { name, subnet };
      } catch (error) {
        if (error instanceof DockerError && /iptables failed/i.test(error.message) && ++ruleTries <= mostRuleTries) {
          await sleep(ruleWaitMs);
          continue;
        }
        // Somebody else was faster, or uses the addresses in a way that the daemon alone sees.
        const again =
          error instanceof DockerError && /overlap|already (exists|allocated|used)|conflict/i.test(error.message);
        if (!again || number > 500) throw error;
      }
    }
    throw new RitmoError('RITMO_EXECUTOR_UNAVAILABLE', `All addresses of ${this.#range} are taken.`, {
      hint: 'Give the docker executor another `addressRange`.',
    });
  }
}

/** Chains of the daemon are gone for a moment while a firewall is loaded anew, or another daemon of this host starts. */
const mostRuleTries = 10;
const ruleWaitMs = 200;

export interface MadeNetwork {
  readonly name: string;
  /** As `10.231.16.0/27`; its first address is the gateway's. */
  readonly subnet: string;
}

interface NetworkRequest {
  readonly name: string;
  readonly bits: number;
  readonly labels: Record<string, string>;
  readonly internal: boolean;
  /** Whether containers on it reach each other. */
  readonly talk: boolean;
  readonly bridge: (number: number) => string;
}

/** A number for the bridge's name out of its subnet: no two are there at once. */
function numberOf(subnet: string): number {
  const [, , c = 0, d = 0] = subnet.split(/[./]/).map(Number);
  const [, b = 0] = subnet.split('.').map(Number);
  return (b * 256 + c) * 32 + Math.floor(d / 8);
}
