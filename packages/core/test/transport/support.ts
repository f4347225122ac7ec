import type { WorkerInfo } from '@ritmo/protocol';
import { job } from '@ritmo/protocol';
import type { Clock, Logger } from '../../src/executor/host.js';
import { HttpTransport, type HttpTransportOptions } from '../../src/transport/index.js';
import { type FakeServer, json } from './fake-server.js';

export const registrationAnswer = {
  workerId: 'w1',
  workerToken: 'worker-token',
  resumeKey: 'resume',
  protocol: 1,
  heartbeatMs: 10_000,
  leaseTtlMs: 60_000,
  claimWaitMs: 25_000,
  leases: [],
};

export const info: WorkerInfo = {
  name: 'one',
  instanceId: 'instance-1',
  labels: {},
  maxConcurrent: 2,
  isolation: [],
  host: { os: 'linux', arch: 'x64', cpus: 2, memoryBytes: 1 },
  agentVersion: '0.1.0',
  protocol: { min: 1, max: 1 },
  jobVersions: [1],
};

export const lease = { jobId: 'job1', epoch: 3, token: 'job-token', ttlMs: 60_000 };
export const aJob = job.parse({ name: 'build', steps: [{ run: 'true' }] });
export const anOffer = {
  job: aJob,
  secrets: {},
  lease: { jobId: 'job1', epoch: 3, ttlMs: 60_000 },
  jobToken: 'job-token',
  acceptWithinMs: 15_000,
};

/** A clock whose sleeps take no time and are written down; time goes on by them. */
export function fastClock(): Clock & { readonly sleeps: number[] } {
  const sleeps: number[] = [];
  let time = 0;
  return {
    sleeps,
    now: () => Date.now(),
    monotonic: () => time,
    sleep: async (ms, signal) => {
      sleeps.push(ms);
      time += ms;
      await new Promise((resolve) => setImmediate(resolve));
      signal?.throwIfAborted();
    },
  };
}

export function memoryLog(): Logger & { readonly lines: string[] } {
  const lines: string[] = [];
  const add = (level: string) => (fields: object, message: string) => {
    lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
  };
  const log = {
    lines,
    child: () => log,
    debug: add('debug'),
    info: add('info'),
    warn: add('warn'),
    error: add('error'),
  };
  return log;
}

export function transportTo(server: FakeServer, more: Partial<HttpTransportOptions> = {}): HttpTransport {
  return new HttpTransport({ apiServer: server.address, registrationToken: 'reg', clock: fastClock(), ...more });
}

/** A transport that has registered. */
export async function registered(server: FakeServer, more: Partial<HttpTransportOptions> = {}): Promise<HttpTransport> {
  const transport = transportTo(server, more);
  server.script.unshift(json(201, registrationAnswer));
  await transport.register(info, never());
  return transport;
}

export function never(): AbortSignal {
  return new AbortController().signal;
}
