import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { JobResult } from '@ritmo/protocol';
import type { TransportPlace, TransportSubject } from '@ritmo/transport-testkit';
import { FolderTransport } from './folder-transport.js';

/** A folder as those who drop jobs into it see it: none of this goes through the transport. */
async function openFolder(): Promise<TransportPlace> {
  const folder = await mkdtemp(join(tmpdir(), 'folder-transport-'));
  const fileOf = (jobId: string, name: string) => join(folder, 'jobs', jobId, name);
  await mkdir(join(folder, 'inbox'));
  return {
    connect: () => new FolderTransport(folder),
    submit: async (job) => {
      const jobId = randomUUID();
      await writeFile(join(folder, jobId), JSON.stringify(job));
      await rename(join(folder, jobId), join(folder, 'inbox', `${jobId}.yaml`));
      return jobId;
    },
    cancel: (jobId) => writeFile(fileOf(jobId, 'cancel'), ''),
    log: (jobId) => readFile(fileOf(jobId, 'log.ndjson')).catch(() => Buffer.of()),
    ended: async (jobId) => {
      const text = await readFile(fileOf(jobId, 'result.json'), 'utf8').catch(() => undefined);
      if (text === undefined) return undefined;
      const { outcome, exitCode, failure } = JSON.parse(text) as JobResult;
      return { outcome, exitCode, code: failure?.code };
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  };
}

/** What the conformance kit for transports checks. */
const subject: TransportSubject = {
  name: 'folder',
  abilities: { manyJobs: true, manyWorkers: false, secrets: false, adoption: true, again: true },
  open: openFolder,
};
export default subject;
