import type { Job } from '@ritmo/protocol';
import type { PrepareScope, Sandbox } from '../executor/sandbox.js';
import type { JournalEntry } from '../journal/journal.js';
import type { LogRecorder, MaskSet } from '../log/index.js';
import type { Lease } from '../transport/transport.js';
import { admit } from './admission.js';
import { checkOutSource } from './check-out-source.js';
import type { BuildContext } from './context.js';
import { sandboxRequest } from './sandbox-request.js';
import type { BuildSecrets } from './secrets.js';

/** What a sandbox is prepared with. */
export interface PrepareParts {
  readonly job: Job;
  readonly lease: Lease;
  readonly slot: number;
  readonly context: BuildContext;
  readonly secrets: BuildSecrets;
  readonly masks: MaskSet;
  readonly recorder: LogRecorder;
  readonly signal: AbortSignal;
  readonly journal: (change: Partial<JournalEntry>) => Promise<void>;
  /** Told before anything is made. */
  readonly admitted: () => void;
  /** Told what is to be disposed from now on. */
  readonly made: (resource: AsyncDisposable) => void;
}

/** Chooses the executor, has the secrets, makes the workspace, fills it, and builds the sandbox around it. */
export async function prepareSandbox(parts: PrepareParts): Promise<Sandbox> {
  const { job, lease, context, secrets, masks, recorder, signal } = parts;
  const { executors, policy, emit, clock, version, worker } = context;
  const { epoch, jobId } = lease;
  recorder.note('info', `Ritmo agent ${version}, worker ${worker}, attempt ${epoch}.`);
  const admission = admit(job, executors, policy);
  const { executor, network } = admission;
  parts.admitted();
  await secrets.ask(context.secrets, { jobId, jobName: job.name }, signal);
  for (const warning of secrets.hide(masks)) recorder.note('warn', warning);
  secrets.checkDelivered();
  const begin = clock.monotonic();
  const request = sandboxRequest(job, { lease, slot: parts.slot, admission, secrets });
  const scope: PrepareScope = {
    signal,
    progress: (message) => recorder.note('info', message),
    record: (record) => parts.journal({ sandbox: record, executor: executor.name }),
  };
  const volume = await executor.allocate(request, scope);
  parts.made(volume);
  await checkOutSource({ job, policy, volume, network, secrets, recorder, signal });
  const sandbox = await executor.prepare(request, volume, scope);
  parts.made(sandbox);
  if (sandbox.detach) recorder.keepUp();
  const from = job.network ? '' : ` (network: the default of ${executor.name})`;
  recorder.note('info', `${sandbox.description}${from}`);
  emit('job:prepared', { jobId, sandboxId: request.sandboxId, durationMs: Math.round(clock.monotonic() - begin) });
  return sandbox;
}
