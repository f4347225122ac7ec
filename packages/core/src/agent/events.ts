import type { Outcome } from '@ritmo/protocol';
import { EventEmitter } from 'eventemitter3';
import type { StoringProgress } from '../artifact/collect.js';
import type { ArtifactRef } from '../artifact/store.js';
import type { Logger } from '../executor/host.js';
import type { ProbeReport, SweepReport } from '../executor/plugin.js';
import type { CancelReason, JobId, SandboxId } from '../executor/request.js';
import type { StepExit } from '../executor/sandbox.js';
import type { AgentState } from './state.js';

/** What became of the builds that ran when a drain began. */
export interface DrainReport {
  readonly finished: readonly string[];
  readonly cancelled: readonly string[];
  /** Left to the next agent by a detach. */
  readonly left: readonly string[];
}

/** One object an event, so that a field can be added without breaking a listener. */
export interface AgentEvents {
  'agent:state': [event: { readonly from: AgentState; readonly to: AgentState; readonly cause?: Error }];
  /** Something went wrong that no caller waits for; it is logged as well. */
  'agent:error': [event: { readonly error: Error; readonly where: string }];
  'worker:registered': [event: { readonly workerId: string; readonly name: string }];
  /** Labels or slots were changed while the agent runs. */
  'worker:updated': [event: { readonly labels: Readonly<Record<string, string>>; readonly maxConcurrent: number }];
  /** The worker stopped or began to be fit for jobs; no reasons: it is fit. */
  'worker:health': [event: { readonly reasons: readonly string[] }];
  /** The agent has ended as it was told to. */
  'agent:drained': [event: DrainReport];
  /** The server answered a claim; without offers where no job fits. */
  'claim:answered': [event: { readonly offers: number }];
  'heartbeat:answered': [event: { readonly durationMs: number }];
  'heartbeat:failed': [event: { readonly error: Error; readonly consecutive: number }];
  'executor:probed': [event: { readonly executor: string; readonly report: ProbeReport }];
  'executor:swept': [event: { readonly executor: string; readonly report: SweepReport }];
  'job:claimed': [event: { readonly jobId: JobId; readonly epoch: number; readonly name: string }];
  /** A build that an agent before this one has begun goes on here. */
  'job:adopted': [event: { readonly jobId: JobId; readonly epoch: number; readonly name: string }];
  /** A build was left to the next agent: it runs on without one. */
  'job:left': [event: { readonly jobId: JobId; readonly epoch: number }];
  /** An offer was handed back before its first step. */
  'job:released': [event: { readonly jobId: JobId; readonly epoch: number; readonly code: string }];
  'job:prepared': [event: { readonly jobId: JobId; readonly sandboxId: SandboxId; readonly durationMs: number }];
  'step:started': [event: { readonly jobId: JobId; readonly index: number; readonly name: string }];
  'step:finished': [
    event: { readonly jobId: JobId; readonly index: number; readonly exit: StepExit; readonly durationMs: number },
  ];
  /** Masked bytes of the job's log, as they are recorded; for jobs claimed while somebody listens. */
  'job:log': [event: { readonly jobId: JobId; readonly bytes: Uint8Array }];
  'artifact:stored': [event: { readonly jobId: JobId; readonly ref: ArtifactRef }];
  /** How far the artifacts of a build are, many times a second. */
  'artifact:progress': [event: { readonly jobId: JobId } & StoringProgress];
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

  on<Name extends keyof AgentEvents>(name: Name, listener: (...event: AgentEvents[Name]) => void): void {
    this.#emitter.on(name, listener);
  }

  off<Name extends keyof AgentEvents>(name: Name, listener: (...event: AgentEvents[Name]) => void): void {
    this.#emitter.off(name, listener);
  }
}
