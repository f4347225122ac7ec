import { nearest, type Outcome } from '@ritmo/protocol';
import { EventEmitter } from 'eventemitter3';
import type { StoringProgress } from '../artifact/collect.js';
import type { ArtifactRef } from '../artifact/store.js';
import { RitmoError } from '../errors.js';
import type { Logger } from '../executor/host.js';
import type { ProbeReport, SweepReport } from '../executor/plugin.js';
import type { CancelReason, JobId, SandboxId } from '../executor/request.js';
import type { StepExit } from '../executor/sandbox.js';
import type { AgentState } from './state.js';

/** What became of the builds that ran when a drain began. */
export interface DrainReport {
  /** Ids of jobs that ended by themselves. */
  readonly finished: readonly string[];
  /** Ids of jobs that were cancelled at the deadline. */
  readonly cancelled: readonly string[];
  /** Left to the next agent by a detach. */
  readonly left: readonly string[];
}

/** One object an event, so that a field can be added without breaking a listener. */
export interface AgentEvents {
  /** The agent went from one state of its life to the next; with the error where that was why. */
  'agent:state': [event: { readonly from: AgentState; readonly to: AgentState; readonly cause?: Error }];
  /** Something went wrong that no caller waits for; it is logged as well. */
  'agent:error': [event: { readonly error: Error; readonly where: string }];
  /** The server knows the worker. */
  'worker:registered': [event: { readonly workerId: string; readonly name: string }];
  /** Labels or slots were changed while the agent runs. */
  'worker:updated': [event: { readonly labels: Readonly<Record<string, string>>; readonly maxConcurrent: number }];
  /** The worker stopped or began to be fit for jobs; no reasons: it is fit. */
  'worker:health': [event: { readonly reasons: readonly string[] }];
  /** The agent has ended as it was told to. */
  'agent:drained': [event: DrainReport];
  /** The server answered a claim; without offers where no job fits. */
  'claim:answered': [event: { readonly offers: number }];
  /** The server answered a heartbeat. */
  'heartbeat:answered': [event: { readonly durationMs: number }];
  /** The server did not answer, so often in a row. */
  'heartbeat:failed': [event: { readonly error: Error; readonly consecutive: number }];
  /** An executor said whether it works. */
  'executor:probed': [event: { readonly executor: string; readonly report: ProbeReport }];
  /** An executor removed what an agent before had left. */
  'executor:swept': [event: { readonly executor: string; readonly report: SweepReport }];
  /** The server offered a job, and a slot is taken for it. */
  'job:claimed': [event: { readonly jobId: JobId; readonly epoch: number; readonly name: string }];
  /** A build that an agent before this one has begun goes on here. */
  'job:adopted': [event: { readonly jobId: JobId; readonly epoch: number; readonly name: string }];
  /** A build was left to the next agent: it runs on without one. */
  'job:left': [event: { readonly jobId: JobId; readonly epoch: number }];
  /** An offer was handed back before its first step. */
  'job:released': [event: { readonly jobId: JobId; readonly epoch: number; readonly code: string }];
  /** The sandbox is there and the source is checked out. */
  'job:prepared': [event: { readonly jobId: JobId; readonly sandboxId: SandboxId; readonly durationMs: number }];
  /** A step begins; steps count from 0. */
  'step:started': [event: { readonly jobId: JobId; readonly index: number; readonly name: string }];
  /** A step has ended, in whatever way. */
  'step:finished': [
    event: { readonly jobId: JobId; readonly index: number; readonly exit: StepExit; readonly durationMs: number },
  ];
  /** Masked bytes of the job's log, as they are recorded; for jobs claimed while somebody listens. */
  'job:log': [event: { readonly jobId: JobId; readonly bytes: Uint8Array }];
  /** One file of an artifact is where it is kept. */
  'artifact:stored': [event: { readonly jobId: JobId; readonly ref: ArtifactRef }];
  /** How far the artifacts of a build are, many times a second. */
  'artifact:progress': [event: { readonly jobId: JobId } & StoringProgress];
  /** Somebody or something wants the build to end. */
  'job:cancelling': [event: { readonly jobId: JobId; readonly reason: CancelReason }];
  /** The build has ended and its sandbox is gone; the server may not know yet. */
  'job:finished': [
    event: {
      readonly jobId: JobId;
      readonly outcome: Outcome;
      readonly durationMs: number;
      /** Of the masked log. */
      readonly logBytes: number;
    },
  ];
  /** The server has the result and the sealed log. */
  'job:reported': [event: { readonly jobId: JobId; readonly epoch: number }];
}

const known: { readonly [Name in keyof AgentEvents]: true } = {
  'agent:state': true,
  'agent:error': true,
  'worker:registered': true,
  'worker:updated': true,
  'worker:health': true,
  'agent:drained': true,
  'claim:answered': true,
  'heartbeat:answered': true,
  'heartbeat:failed': true,
  'executor:probed': true,
  'executor:swept': true,
  'job:claimed': true,
  'job:adopted': true,
  'job:left': true,
  'job:released': true,
  'job:prepared': true,
  'step:started': true,
  'step:finished': true,
  'job:log': true,
  'artifact:stored': true,
  'artifact:progress': true,
  'job:cancelling': true,
  'job:finished': true,
  'job:reported': true,
};

const names = Object.keys(known) as ReadonlyArray<keyof AgentEvents>;

/** Emits without letting a listener that throws disturb the agent. */
export class SafeEmitter {
  readonly #emitter = new EventEmitter<AgentEvents>();
  readonly #log: Logger;

  constructor(log: Logger) {
    this.#log = log;
  }

  emit<Name extends keyof AgentEvents>(name: Name, event: AgentEvents[Name][0]): void {
    for (const listener of this.#emitter.listeners(name)) {
      try {
        (listener as (event: AgentEvents[Name][0]) => void)(event);
      } catch (error) {
        this.#log.error({ err: error, event: name }, 'a listener of the agent threw');
      }
    }
  }

  has(name: keyof AgentEvents): boolean {
    return this.#emitter.listenerCount(name) > 0;
  }

  /** @throws RITMO_USAGE where there is no such event: its listener would never hear a thing */
  on<Name extends keyof AgentEvents>(name: Name, listener: (...event: AgentEvents[Name]) => void): void {
    if (!names.includes(name)) {
      const meant = nearest(name, names);
      throw new RitmoError('RITMO_USAGE', `The agent has no event "${name}".`, {
        hint: meant === undefined ? `It has ${names.join(', ')}.` : `Did you mean "${meant}"?`,
      });
    }
    this.#emitter.on(name, listener);
  }

  off<Name extends keyof AgentEvents>(name: Name, listener: (...event: AgentEvents[Name]) => void): void {
    this.#emitter.off(name, listener);
  }
}
