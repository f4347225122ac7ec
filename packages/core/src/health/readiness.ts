import type { AgentStatus } from '../agent/agent-status.js';

/** Heartbeats without an answer after which the worker counts as cut off from its server. */
const failedBeats = 3;

/** Whether the worker can be given jobs, with what speaks against it. Slots that are all taken do not. */
export function readiness(status: AgentStatus): { readonly ready: boolean; readonly reasons: readonly string[] } {
  const { state, reasons, worker } = status;
  if (state !== 'running' || !worker) return { ready: false, reasons };
  const cutOff = worker.heartbeat.failedInRow >= failedBeats;
  const ready = worker.claiming && !cutOff;
  return { ready, reasons: ready ? [] : reasons };
}
