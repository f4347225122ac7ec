import { spawn } from 'node:child_process';
import { delimiter } from 'node:path';
import { inRoot, root } from './paths.mjs';

/** The environment for our tools: those of the repository come first, and none of them calls home. */
export function toolEnvironment() {
  return {
    ...process.env,
    PATH: [inRoot('node_modules', '.bin'), process.env.PATH ?? ''].join(delimiter),
    TURBO_TELEMETRY_DISABLED: '1',
    DO_NOT_TRACK: '1',
    npm_config_update_notifier: 'false',
  };
}

/**
 * Runs a program in the repository's folder with our terminal, and resolves with its exit code (128 + n when
 * a signal ended it). Signals that we get are passed on, so that nothing is left running.
 */
export function run(command, args, { env = toolEnvironment(), stdio = ['ignore', 'inherit', 'inherit'] } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, env, stdio });
    const passOn = (signal) => child.kill(signal);
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
    for (const signal of signals) process.on(signal, passOn);
    const done = (settle, value) => {
      for (const signal of signals) process.off(signal, passOn);
      settle(value);
    };
    child.once('error', (error) => done(reject, error));
    child.once('close', (code, signal) => done(resolve, code ?? 128 + signalNumber(signal)));
  });
}

const signalNumber = (signal) => ({ SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGTERM: 15 })[signal] ?? 1;

/** Runs a program and resolves with its exit code and all that it printed. */
export function capture(command, args, { env = toolEnvironment() } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const take = (text) => {
      output += text;
    };
    child.stdout.setEncoding('utf8').on('data', take);
    child.stderr.setEncoding('utf8').on('data', take);
    child.once('error', reject);
    child.once('close', (code) => resolve({ code: code ?? 1, output }));
  });
}
