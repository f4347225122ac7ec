import type { WorkerStatus } from '@ritmo/protocol';
import { after } from '../build/deadline.js';
import { systemClock } from '../clock.js';
import { RitmoError } from '../errors.js';
import type { Logger } from '../executor/host.js';
import { silentLogger } from '../logger.js';
import { deferred } from './deferred.js';
import { type AgentStatus, reasonsOf } from './agent-status.js';
import { type AgentEvents, type DrainReport, SafeEmitter } from './events.js';
import {
  type AgentOptions,
  type AgentPatch,
  type CheckedOptions,
  checkDeadline,
  checkOptions,
  checkPatch,
} from './options.js';
import { type AgentState, StateMachine } from './state.js';
import { Worker } from './worker.js';

/** How long `stop` goes on telling the server of ended builds, in milliseconds; the next start tells the rest. */
const lastWordsMs = 10_000;

/**
 * The worker agent. The constructor validates its options and nothing more: no socket, no timer, no file before
 * `start()`. It installs no signal handlers and prints nothing.
 *
 * @throws RITMO_USAGE from the constructor, with everything that is wrong with the options.
 */
export class Agent implements AsyncDisposable {
  readonly #options: CheckedOptions;
  readonly #log: Logger;
  readonly #events: SafeEmitter;
  readonly #machine: StateMachine;
  readonly #done = deferred<void>();
  readonly #starting = new AbortController();
  readonly #drained: DrainReport & Record<keyof DrainReport, string[]> = { finished: [], cancelled: [], left: [] };
  #worker: Worker | undefined;
  #start: Promise<void> | undefined;
  #ending: Promise<DrainReport> | undefined;
  #stopped: Promise<void> | undefined;
  #idle: Disposable | undefined;
  #ended = 0;
  #detaching = false;
  /** Settles when every build that runs was left. */
  #leaving: Promise<void> = Promise.resolve();

  constructor(options: AgentOptions) {
    this.#options = checkOptions(options);
    this.#log = options.log ?? silentLogger;
    this.#events = new SafeEmitter(this.#log);
    this.#machine = new StateMachine((from, to, cause) => {
      const fields = { from, to, ...(cause && { err: cause }) };
      if (cause) this.#log.error(fields, `the agent is ${to}`);
      else this.#log.info(fields, `the agent is ${to}`);
      this.#events.emit('agent:state', { from, to, ...(cause && { cause }) });
    });
    // Whoever does not look at `done` must not die of it.
    this.#done.promise.catch(() => {});
    this.#countEnded();
    this.#endBySelf();
  }

  /** Where it is in its life. */
  get state(): AgentState {
    return this.#machine.state;
  }

  /** What it does now, and why it may do nothing. */
  get status(): AgentStatus {
    const worker = this.#worker?.facts;
    const reasons = reasonsOf(this.state, this.#worker?.health.reasons ?? [], worker);
    return { state: this.state, reasons, ...(worker && { worker }) };
  }

  /** Bytes of build logs on disk that the server does not have as a whole yet. */
  spoolBytes(): Promise<number> {
    return this.#worker?.spoolBytes() ?? Promise.resolve(0);
  }

  /**
   * Changes labels or slots of the running worker; builds that run go on. Resolves when the server knows.
   * @throws RITMO_USAGE, RITMO_STATE_TRANSITION before the agent has started or after it has ended
   */
  async update(patch: AgentPatch): Promise<void> {
    const checked = checkPatch(patch);
    if (!this.#worker || !['running', 'paused', 'draining'].includes(this.state))
      throw new RitmoError('RITMO_STATE_TRANSITION', `The agent is ${this.state}; it cannot be changed.`);
    await this.#worker.update(checked);
  }

  /** Settles when the agent has ended: resolves at `stopped`, rejects at `failed`. Never an unhandled rejection. */
  get done(): Promise<void> {
    return this.#done.promise;
  }

  /**
   * Resolves once registered and claiming; rejects with the first error that makes that impossible, and with
   * RITMO_AGENT_STOPPING where `drain` or `stop` come before it is through.
   */
  async start(): Promise<void> {
    this.#machine.go('starting');
    this.#start = this.#open();
    await this.#start;
  }

  /** Stays registered and claims nothing, until `resume`. */
  async pause(): Promise<void> {
    if (this.state === 'paused') return;
    this.#machine.go('paused');
    await this.#worker?.stopClaiming();
  }

  /** Claims jobs again after `pause`. */
  async resume(): Promise<void> {
    if (this.state === 'running') return;
    this.#machine.go('running');
    this.#worker?.startClaiming();
  }

  /**
   * No new jobs; running builds finish, or are cancelled at the deadline (`shutdown.drainMs`, by default without
   * end); then deregistered. Idempotent.
   */
  async drain(options: { readonly deadlineMs?: number } = {}): Promise<DrainReport> {
    checkDeadline(options);
    this.#ending ??= this.#drain(options.deadlineMs ?? this.#options.shutdown.drainMs);
    return this.#ending;
  }

  /**
   * As `drain`, but builds whose sandbox outlives this agent are left to the next one, when no other runs any more; the
   * worker stays registered. The next agent has the time of a lease to take them up. Also during a drain.
   */
  detach(): Promise<DrainReport> {
    if (!this.#detaching) {
      this.#detaching = true;
      this.#leaving = this.#leave();
    }
    return this.drain();
  }

  /** No new jobs; running builds are cancelled, then killed after their grace. Idempotent; also during a drain. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  /** Starts, awaits the work, drains. Where both the work and the agent fail, both errors are kept. */
  async runUntil<Value>(work: Promise<Value>): Promise<Value> {
    work.catch(() => {});
    await this.start();
    const [worked, ended] = await Promise.allSettled([
      Promise.race([work, this.done.then(() => Promise.reject(endedEarly()))]),
      work.then(
        () => this.drain(),
        () => this.drain(),
      ),
    ]);
    if (worked.status === 'rejected' && ended.status === 'rejected' && worked.reason !== ended.reason) {
      throw new AggregateError([worked.reason, ended.reason], 'The work and the agent both failed.');
    }
    if (worked.status === 'rejected') throw worked.reason;
    if (ended.status === 'rejected') throw ended.reason;
    return worked.value;
  }

  /** Stops, and waits until it has ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  /**
   * Hears every event of this name from now on.
   * @throws RITMO_USAGE where there is no such event
   */
  on<Name extends keyof AgentEvents>(event: Name, listener: (...payload: AgentEvents[Name]) => void): this {
    this.#events.on(event, listener);
    return this;
  }

  /** Forgets a listener. */
  off<Name extends keyof AgentEvents>(event: Name, listener: (...payload: AgentEvents[Name]) => void): this {
    this.#events.off(event, listener);
    return this;
  }

  async #open(): Promise<void> {
    try {
      const worker = await Worker.open(
        {
          options: this.#options,
          events: this.#events,
          clock: this.#options.clock ?? systemClock,
          log: this.#log,
          listener: {
            state: () => this.#workerState(),
            command: (command) => this.#command(command),
            broken: (error) => void this.#fail(error),
          },
        },
        this.#starting.signal,
      );
      this.#worker = worker;
      if (this.#starting.signal.aborted) throw this.#starting.signal.reason;
      this.#machine.go('running');
      worker.startClaiming();
    } catch (error) {
      if (!this.#starting.signal.aborted) {
        this.#machine.go('failed', error as Error);
        this.#done.reject(error as Error);
      }
      throw error;
    }
  }

  async #drain(deadlineMs: number | undefined): Promise<DrainReport> {
    if (this.#endUnstarted()) return this.#drained;
    if (this.#machine.can('draining')) this.#machine.go('draining');
    // At once: an offer that arrives from here on goes back.
    const claimsEnded = this.#worker?.stopClaiming();
    await this.#untilStarted();
    const deadline = deadlineMs === undefined ? undefined : after(deadlineMs, () => void this.stop());
    try {
      await claimsEnded;
      await this.#worker?.builds.whenReported();
      await this.#leaving;
    } finally {
      deadline?.[Symbol.dispose]();
    }
    if (this.#stopped) await this.#stopped;
    else await this.#close();
    return this.#drained;
  }

  async #leave(): Promise<void> {
    await this.#worker?.stopClaiming();
    await this.#start?.catch(() => undefined);
    const builds = this.#worker?.builds;
    if (!builds) return;
    const poke = () => builds.poke();
    this.on('step:started', poke);
    for (const { lease } of await builds.leaveAll()) this.#drained.left.push(lease.jobId);
    this.off('step:started', poke);
  }

  async #stop(): Promise<void> {
    if (this.#endUnstarted() || this.state === 'stopped' || this.state === 'failed') return;
    this.#machine.go('stopping');
    const claimsEnded = this.#worker?.stopClaiming();
    await this.#untilStarted();
    const worker = this.#worker;
    if (worker) {
      await claimsEnded;
      const { graceMs } = this.#options.shutdown;
      for (const { ended, lease } of worker.builds.running) if (!ended) this.#drained.cancelled.push(lease.jobId);
      worker.builds.cancelAll({ reason: 'agent-stopping', ...(graceMs !== undefined && { graceMs }) });
      await worker.builds.whenEnded();
      const lastWords = after(lastWordsMs, () => worker.stopReporting());
      await worker.builds.whenReported();
      lastWords[Symbol.dispose]();
    }
    await this.#close();
  }

  /** A start under way is given up; one that is through is left alone. */
  async #untilStarted(): Promise<void> {
    if (!this.#worker)
      this.#starting.abort(
        new RitmoError('RITMO_AGENT_STOPPING', 'The agent was stopped while it started.', {
          hint: 'It ended as it was told to. Where `start()` is awaited, expect this code.',
        }),
      );
    await this.#start?.catch(() => {});
  }

  async #close(): Promise<void> {
    this.#idle?.[Symbol.dispose]();
    await this.#worker?.close(this.#drained.left.length === 0);
    if (!this.#worker) await this.#options.transport[Symbol.asyncDispose]();
    if (!this.#machine.can('stopped')) return;
    this.#machine.go('stopped');
    this.#events.emit('agent:drained', this.#drained);
    this.#done.resolve();
  }

  /** The server's word, or a defect, ended the agent: nothing more is sent. */
  async #fail(error: Error): Promise<void> {
    if (!this.#machine.can('failed')) return;
    this.#idle?.[Symbol.dispose]();
    this.#machine.go('failed', error);
    this.#events.emit('agent:error', { error, where: 'worker' });
    const worker = this.#worker;
    if (worker) {
      worker.builds.fenceAll();
      await worker.builds.whenEnded();
      worker.stopReporting();
      await worker.builds.whenReported();
      await worker.close(false);
    }
    this.#done.reject(error);
  }

  #endUnstarted(): boolean {
    if (this.state !== 'created') return false;
    this.#machine.go('stopped');
    this.#done.resolve();
    return true;
  }

  #command(command: 'pause' | 'resume' | 'drain'): void {
    if (command === 'drain') void this.drain();
    else if (command === 'pause' && this.state === 'running') void this.pause();
    else if (command === 'resume' && this.state === 'paused') void this.resume();
  }

  #workerState(): WorkerStatus['state'] {
    if (this.state === 'paused') return 'paused';
    if (this.state === 'draining' || this.state === 'stopping') return 'draining';
    if (this.#worker && this.#worker.health.reasons.length > 0) return 'unhealthy';
    return this.#worker && this.#worker.builds.running.length > 0 ? 'busy' : 'idle';
  }

  /** Drains after the last job of `until.jobs`, or when nothing came for `until.idleMs`. */
  #endBySelf(): void {
    const { jobs, idleMs } = this.#options.until;
    if (jobs !== undefined) {
      this.on('job:finished', () => {
        this.#ended += 1;
        if (this.#ended >= jobs) this.#drainBySelf(`it has run ${jobs} jobs`);
      });
    }
    if (idleMs === undefined) return;
    const wait = () => {
      this.#idle?.[Symbol.dispose]();
      this.#idle = after(idleMs, () => {
        if (this.#worker?.builds.running.length === 0) this.#drainBySelf(`it had nothing to do for ${idleMs} ms`);
      });
    };
    this.on('job:claimed', () => this.#idle?.[Symbol.dispose]());
    this.on('job:finished', wait).on('job:released', wait);
    this.on('agent:state', ({ from, to }) => {
      if (from === 'starting' && to === 'running') wait();
    });
  }

  #drainBySelf(why: string): void {
    this.#log.info({}, `the agent drains: ${why}`);
    // Its end is that of `done`.
    this.drain().catch(() => {});
  }

  #countEnded(): void {
    this.on('job:finished', ({ jobId }) => {
      const ending = this.state === 'draining' || this.state === 'stopping';
      if (ending && !this.#drained.cancelled.includes(jobId)) this.#drained.finished.push(jobId);
    });
  }
}

function endedEarly(): RitmoError {
  return new RitmoError('RITMO_AGENT_STOPPING', 'The agent ended before the work did.');
}
