import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Agent } from '@ritmo/agent-core';
import type { Logger } from '@ritmo/agent-core/executor';
import type { Io } from './io.js';

const run = promisify(execFile);

/** A notification that systemd does not take in this time is given up, in milliseconds. */
const notifyMs = 5_000;

/**
 * Tells systemd that the worker is ready, what it does, and that it ends; and feeds the watchdog of the unit with each
 * heartbeat that the server answers, so that a worker that hangs or is cut off is started anew. Undefined where systemd
 * does not ask to be told. Node has no datagram sockets of that kind: `systemd-notify` of systemd itself sends them,
 * which the unit has to allow with `NotifyAccess=all`.
 */
export function systemdNotifier(agent: Agent, env: Io['env'], log: Logger): AsyncDisposable | undefined {
  const socket = env['NOTIFY_SOCKET'];
  if (socket === undefined || socket === '') return undefined;
  const watched = watchdogIsOurs(env);
  let sending: Promise<void> = Promise.resolve();
  let said = '';
  const send = (...state: string[]) => {
    sending = sending.then(() => notify(socket, env['PATH'], state, log));
  };
  /** Says a status that is new. */
  const status = (text: string, ...more: string[]) => {
    if (text === said && more.length === 0) return;
    said = text;
    send(`STATUS=${text}`, ...more);
  };
  const doing = () => {
    const { reasons, worker } = agent.status;
    const running = worker?.running.length ?? 0;
    return running > 0 ? `Running ${running} of ${worker?.slots.max ?? 0}` : (reasons[0] ?? 'Waiting for jobs');
  };
  agent.on('agent:state', ({ to }) => {
    if (to === 'running') status(doing(), 'READY=1');
    else if (to === 'draining' || to === 'stopping') status(doing(), 'STOPPING=1');
    else status(doing());
  });
  agent.on('heartbeat:answered', () => (watched ? status(doing(), 'WATCHDOG=1') : status(doing())));
  return {
    async [Symbol.asyncDispose]() {
      await sending;
    },
  };
}

/** systemd says which process it watches; a child of it must not feed it. */
function watchdogIsOurs(env: Io['env']): boolean {
  if (!(Number(env['WATCHDOG_USEC'] ?? 0) > 0)) return false;
  return env['WATCHDOG_PID'] === undefined || Number(env['WATCHDOG_PID']) === process.pid;
}

async function notify(socket: string, path: string | undefined, state: readonly string[], log: Logger): Promise<void> {
  try {
    await run('systemd-notify', [`--pid=${process.pid}`, ...state], {
      env: { NOTIFY_SOCKET: socket, ...(path === undefined ? {} : { PATH: path }) },
      timeout: notifyMs,
    });
  } catch (error) {
    log.warn({ err: error, state }, 'systemd could not be told');
  }
}
