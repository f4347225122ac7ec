import { randomUUID } from 'node:crypto';
import type { Transport } from '@ritmo/agent-core';
import { within } from '@ritmo/conformance';
import type { Adoption, AdoptionRequest, HeartbeatAnswer, Offer, Registration, WorkerInfo } from '@ritmo/protocol';
import { KitBuild } from './build.js';

type Intent = AdoptionRequest[number]['intent'];

/** What every call of a case is bounded by, and ended with. */
export interface Bounds {
  readonly signal: AbortSignal;
  readonly ms: (ms: number) => number;
}

/** A worker of the kit: calls a transport as an agent does, each call bounded in time. */
export class KitWorker {
  readonly transport: Transport;
  readonly info: WorkerInfo;
  readonly #bounds: Bounds;
  registration: Registration | undefined;

  constructor(transport: Transport, name: string, bounds: Bounds) {
    this.transport = transport;
    this.info = workerInfo(name);
    this.#bounds = bounds;
  }

  get signal(): AbortSignal {
    return this.#bounds.signal;
  }

  /** A call may take 20 s; what it is called is for the error. */
  bounded<T>(what: string, call: Promise<T>, ms = 20_000): Promise<T> {
    return within(what, this.#bounds.ms(ms), call);
  }

  /** `resumeKey` is that of the worker that had the name before. */
  async register(resumeKey?: string): Promise<Registration> {
    const info = resumeKey === undefined ? this.info : { ...this.info, resumeKey };
    this.registration = await this.bounded('register', this.transport.register(info, this.signal));
    return this.registration;
  }

  claim(
    request: { readonly requestId?: string; readonly max?: number; readonly waitMs?: number } = {},
    signal: AbortSignal = this.signal,
  ): Promise<readonly Offer[]> {
    const { requestId = randomUUID(), max = 1, waitMs = 0 } = request;
    return this.bounded('claim', this.transport.claim({ requestId, max, waitMs }, signal), waitMs + 20_000);
  }

  /** The next job that is there, not yet accepted. */
  async claimOne(requestId: string = randomUUID()): Promise<KitBuild> {
    const [offer, ...more] = await this.claim({ requestId, waitMs: 10_000 });
    if (offer === undefined || more.length > 0) {
      throw new Error(`a claim of one job was answered with ${offer === undefined ? 0 : more.length + 1}`);
    }
    return this.buildOf(offer);
  }

  buildOf(offer: Offer): KitBuild {
    const { lease, jobToken: token } = offer;
    return new KitBuild(this, { ...lease, token });
  }

  heartbeat(running: ReadonlyArray<{ readonly jobId: string; readonly epoch: number }>): Promise<HeartbeatAnswer> {
    const status = {
      instanceId: this.info.instanceId,
      state: running.length === 0 ? ('idle' as const) : ('busy' as const),
      reasons: [],
      running: running.map(({ jobId, epoch }) => ({ jobId, epoch, phase: 'running' as const, logBytes: 0 })),
      host: {},
    };
    return this.bounded('heartbeat', this.transport.heartbeat(status, this.signal));
  }

  async adopt(lease: { readonly jobId: string; readonly epoch: number }, intent: Intent): Promise<Adoption> {
    const { jobId, epoch } = lease;
    const answers = await this.bounded('adopt', this.transport.adopt([{ jobId, epoch, intent }], this.signal));
    const answer = answers.find((each) => each.jobId === jobId && each.epoch === epoch);
    if (answer === undefined) throw new Error('adopt does not answer a lease that it was asked for');
    return answer;
  }
}

function workerInfo(name: string): WorkerInfo {
  return {
    name,
    instanceId: randomUUID(),
    labels: {},
    maxConcurrent: 4,
    isolation: [
      {
        name: 'process',
        default: true,
        capabilities: {
          isolation: 'namespace',
          defaultNetwork: 'none',
          images: false,
          services: false,
          network: ['isolated', 'none', 'host'],
          limits: [],
          os: ['linux', 'windows', 'darwin'],
          arch: ['x64', 'arm64'],
          separateStderr: true,
          recover: true,
        },
      },
    ],
    host: { os: 'linux', arch: 'x64', cpus: 4, memoryBytes: 2 ** 32 },
    agentVersion: '0.1.0',
    protocol: { min: 1, max: 1 },
    jobVersions: [1],
  };
}
