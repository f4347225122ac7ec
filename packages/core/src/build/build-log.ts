import type { CancelOrder, Outcome } from '@ritmo/protocol';
import { LogRecorder, LogSender, MaskSet } from '../log/index.js';
import type { Logger } from '../executor/host.js';
import { maskedLogger } from '../logger.js';
import type { Lease } from '../transport/transport.js';
import type { BuildContext } from './context.js';

/** Who hears of what comes back while the log is sent. */
export interface SendingEvents {
  readonly cancelled: (order: CancelOrder) => void;
  /** The server takes no more of it. */
  readonly refused: () => void;
  /** Aborted when nothing more is to be sent. */
  readonly signal: AbortSignal;
}

/** The log of one build: what it hides, what is recorded, and what is sent of it. */
export class BuildLog {
  readonly masks = new MaskSet();
  /** The agent's own log, with what the build hides. */
  readonly agent: Logger;
  readonly #context: BuildContext;
  readonly #lease: Lease;
  #recorder: LogRecorder | undefined;
  #sender: LogSender | undefined;

  constructor(context: BuildContext, lease: Lease) {
    const { jobId, epoch } = lease;
    this.#context = context;
    this.#lease = lease;
    this.agent = maskedLogger(context.log.child({ job: jobId, epoch }), (text) => this.masks.maskText(text));
  }

  get bytes(): number {
    return this.#recorder?.bytes ?? 0;
  }

  /** Undefined before it was opened. */
  get recorder(): LogRecorder | undefined {
    return this.#recorder;
  }

  get sender(): LogSender | undefined {
    return this.#sender;
  }

  /** Tells whoever listens, and who reads the agent's own log. `again`: an agent before this one has begun it. */
  begins(name: string, again: boolean): void {
    const { jobId, epoch } = this.#lease;
    this.#context.emit(again ? 'job:adopted' : 'job:claimed', { jobId, epoch, name });
    this.agent.info({ jobName: name }, again ? 'a build of the agent before is taken up' : 'a build begins');
  }

  ended(name: string, outcome: Outcome, durationMs: number): void {
    this.#context.emit('job:finished', { jobId: this.#lease.jobId, outcome, durationMs, logBytes: this.bytes });
    this.agent.info({ jobName: name, outcome, durationMs }, 'a build has ended');
  }

  async open(): Promise<LogRecorder> {
    const { jobId, epoch } = this.#lease;
    this.#recorder = await LogRecorder.open({ ...this.#options(), jobId, epoch });
    return this.#recorder;
  }

  /** Goes on with the log that an agent before this one has begun, with all that its build has hidden. */
  async reopen(): Promise<LogRecorder> {
    const added = this.#context.state.masks.of(this.#lease);
    this.#recorder = await LogRecorder.reopen({ ...this.#options(), added });
    this.#recorder.keepUp();
    return this.#recorder;
  }

  /** Sends it, from now to its end; with `resume` from where the server is. */
  send(recorder: LogRecorder, { cancelled, refused, signal }: SendingEvents, resume: boolean): void {
    const { transport } = this.#context;
    const source = recorder.spool;
    const sender = new LogSender({ source, transport, lease: this.#lease, onCancel: cancelled, signal, resume });
    this.#sender = sender;
    sender.done.catch((error: unknown) => {
      if (signal.aborted) return;
      this.agent.warn({ err: error }, 'the server refused the log; the build is stopped');
      refused();
    });
  }

  #options() {
    const { state, clock, policy, emit, listens } = this.#context;
    const { jobId, epoch } = this.#lease;
    return {
      path: state.spoolPath(jobId, epoch),
      clock,
      masks: this.masks,
      onMask: (value: string) => this.#keepMask(value),
      ...(policy.maxLogBytes !== undefined && { maxBytes: policy.maxLogBytes }),
      ...(policy.minFreeDiskBytes !== undefined && { minFreeBytes: policy.minFreeDiskBytes }),
      ...(listens('job:log') && { onAppend: (bytes: Uint8Array) => emit('job:log', { jobId, bytes }) }),
    };
  }

  #keepMask(value: string): void {
    try {
      this.#context.state.masks.keep(this.#lease, value);
    } catch (error) {
      this.agent.warn({ err: error }, 'a value that the build hides cannot be kept for a restart of this agent');
    }
  }
}
