import { RitmoError } from '../errors.js';

/**
 * created: nothing happened yet. starting: lock, probe, sweep, register. running: claims. paused: registered,
 * claims nothing. draining: no new jobs, builds finish. stopping: builds are being cancelled. stopped: ended as
 * asked. failed: ended by an error.
 */
export type AgentState = 'created' | 'starting' | 'running' | 'paused' | 'draining' | 'stopping' | 'stopped' | 'failed';

/** The whole life in one table: an absent edge is a defect and throws. */
export const agentTransitions: Readonly<Record<AgentState, readonly AgentState[]>> = {
  created: ['starting', 'stopped'],
  starting: ['running', 'draining', 'stopping', 'failed'],
  running: ['paused', 'draining', 'stopping', 'failed'],
  paused: ['running', 'draining', 'stopping', 'failed'],
  draining: ['stopping', 'stopped', 'failed'],
  stopping: ['stopped', 'failed'],
  stopped: [],
  failed: [],
};

/** Holds the state and refuses what the table does not have. */
export class StateMachine {
  #state: AgentState = 'created';
  readonly #changed: (from: AgentState, to: AgentState, cause?: Error) => void;

  constructor(changed: (from: AgentState, to: AgentState, cause?: Error) => void) {
    this.#changed = changed;
  }

  get state(): AgentState {
    return this.#state;
  }

  can(to: AgentState): boolean {
    return agentTransitions[this.#state].includes(to);
  }

  /** @throws RITMO_STATE_TRANSITION where the table has no such edge. */
  go(to: AgentState, cause?: Error): void {
    const from = this.#state;
    if (!this.can(to)) {
      throw new RitmoError('RITMO_STATE_TRANSITION', `The agent is ${from}; it cannot become ${to}.`);
    }
    this.#state = to;
    this.#changed(from, to, cause);
  }
}
