import type { Job } from '@ritmo/protocol';
import type { AgentPolicy } from '../agent/options.js';
import type { Network } from '../executor/request.js';
import type { WorkspaceVolume } from '../executor/sandbox.js';
import type { LogRecorder } from '../log/index.js';
import { NoteWriter } from './note-writer.js';
import type { BuildSecrets } from './secrets.js';
import { checkout } from './source/index.js';

const graceMs = 2_000;

export interface SourceParts {
  readonly job: Job;
  readonly policy: AgentPolicy;
  readonly volume: WorkspaceVolume;
  readonly network: Network;
  readonly secrets: BuildSecrets;
  readonly recorder: LogRecorder;
  readonly signal: AbortSignal;
}

/** Fills the workspace with the source of the job, where it has one; what git says becomes notes of the log. */
export async function checkOutSource(parts: SourceParts): Promise<void> {
  const { job, policy, volume, network, secrets, recorder, signal } = parts;
  if (!job.source) return;
  const output = new NoteWriter((line) => recorder.note('info', `git: ${line}`));
  const { commit } = await checkout(job.source, {
    volume,
    network,
    env: job.env,
    secret: (name) => secrets.get(name),
    policy: {
      allowLocalSources: policy.allowLocalSources ?? false,
      ...(policy.sourceCaFile !== undefined && { caFile: policy.sourceCaFile }),
      ...(policy.sourceKnownHostsFile !== undefined && { knownHostsFile: policy.sourceKnownHostsFile }),
    },
    scope: { signal, stop: { signal: 'SIGTERM', graceMs }, output },
    note: (level, text) => recorder.note(level, text),
  }).finally(() => output.end());
  recorder.note('info', `Checked out ${commit} of ${job.source.git}.`);
}
