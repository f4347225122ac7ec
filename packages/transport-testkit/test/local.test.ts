import { randomUUID } from 'node:crypto';
import { LocalTransport } from '@ritmo/agent-core';
import { job as jobSchema } from '@ritmo/protocol';
import type { KitJob, TransportSubject } from '../src/index.js';
import { describeTransport } from '../src/vitest.js';

/** The transport of `exec`: one job, in this process. */
const subject: TransportSubject = {
  name: 'local',
  abilities: { manyJobs: false, manyWorkers: false, secrets: true, adoption: false, again: false },
  open: async () => {
    const jobId = randomUUID();
    const log: Uint8Array[] = [];
    const plain: KitJob = { name: 'kit', steps: [{ run: 'true' }], secrets: [], onLost: 'requeue', attempts: 1 };
    let given = { job: plain, secrets: {} };
    let transport: LocalTransport | undefined;
    return {
      submit: async (job, secrets) => {
        given = { job, secrets };
        return jobId;
      },
      connect: () => {
        const job = jobSchema.parse({ ...given.job, steps: [...given.job.steps], secrets: [...given.job.secrets] });
        transport = new LocalTransport({ job, jobId, secrets: given.secrets, onLog: (bytes) => void log.push(bytes) });
        return transport;
      },
      cancel: async (_, graceMs) => transport?.cancel('user', graceMs),
      log: async () => Buffer.concat(log),
      ended: async () => {
        const pending = Symbol('pending');
        const result = await Promise.race([transport?.result, Promise.resolve(pending)]);
        if (result === undefined || typeof result === 'symbol') return undefined;
        return { outcome: result.outcome, exitCode: result.exitCode, code: result.failure?.code };
      },
      [Symbol.asyncDispose]: async () => {},
    };
  },
};

describeTransport(subject);
