import type { JobSource, LogNoteLevel } from '@ritmo/protocol';
import { systemClock } from '../../clock.js';
import { RitmoError } from '../../errors.js';
import type { Clock } from '../../executor/host.js';
import type { Network } from '../../executor/request.js';
import type { StepScope, WorkspaceVolume } from '../../executor/sandbox.js';
import { parseSourceAddress, type SourceAddress } from './address.js';
import { Git } from './git.js';
import { gitSetup } from './git-setup.js';
import { findLocalRepository } from './local-repository.js';
import { type RefReading, readingsOf } from './ref.js';

export interface CheckoutPolicy {
  /** Whether the source may be a path of this host or a file:// URL. */
  readonly allowLocalSources: boolean;
  /** PEM file of authorities that are trusted beside the usual ones. */
  readonly caFile?: string;
  /** Known hosts for ssh; without it the first key of a host is believed. */
  readonly knownHostsFile?: string;
}

export interface CheckoutContext {
  /** An empty workspace. */
  readonly volume: WorkspaceVolume;
  /** Value of a secret by its name. */
  readonly secret: (name: string) => string | undefined;
  readonly policy: CheckoutPolicy;
  readonly scope: StepScope;
  readonly note: (level: LogNoteLevel, text: string) => void;
  /** The job's network, so that a source that it cannot reach is refused in words. */
  readonly network?: Network;
  /** The job's environment: its proxies hold for git too. */
  readonly env?: Readonly<Record<string, string>>;
  readonly clock?: Clock;
}

const allRefs = ['+refs/heads/*:refs/remotes/origin/*', '+refs/tags/*:refs/tags/*'];

/**
 * Fills the workspace with a commit of the source, HEAD detached, and leaves a `.git` without credentials. Answers
 * the commit's full hash. Rejects with RITMO_SOURCE_REF, _AUTH or _FAILED, RITMO_GIT_MISSING, RITMO_POLICY_REFUSED,
 * RITMO_SECRET_MISSING, or RITMO_CANCELLED where `scope.signal` ended it.
 */
export async function checkout(source: JobSource, context: CheckoutContext): Promise<{ commit: string }> {
  const { policy, note, clock = systemClock } = context;
  const address = parseSourceAddress(source.git, policy.allowLocalSources);
  const readings = readingsOf(source.ref);
  checkNetwork(address, context.network);
  const setup = await gitSetup({
    address,
    secret: secretOf(source, context),
    ...(policy.caFile === undefined ? {} : { caFile: policy.caFile }),
    ...(policy.knownHostsFile === undefined ? {} : { knownHostsFile: policy.knownHostsFile }),
    ...(context.env === undefined ? {} : { env: context.env }),
  });
  const local = address.kind === 'local' ? await findLocalRepository(address.path) : undefined;
  if (address.kind === 'ssh' && policy.knownHostsFile === undefined) {
    note('warn', `The key of ${address.host} is believed unseen: the worker has no known_hosts for sources.`);
  }
  const url = local?.path ?? (address as Exclude<SourceAddress, { kind: 'local' }>).url;
  const git = new Git({
    volume: context.volume,
    scope: context.scope,
    setup,
    clock,
    readOnlyPaths: local?.readPaths ?? [],
  });
  const wide = readings.some((reading) => reading.kind === 'commit' && reading.hash.length === 64);
  await git.init(url, wide ? ['--object-format=sha256'] : []);
  note('info', `Fetching ${url}${source.ref === undefined ? '' : `, ${source.ref}`}.`);
  const target = await fetch(git, readings, source, note);
  const commit = await git.checkout(target);
  if (source.submodules) await fetchSubmodules(git, source);
  return { commit };
}

function checkNetwork(address: SourceAddress, network: Network | undefined): void {
  if (network !== 'none' || address.kind === 'local') return;
  throw new RitmoError('RITMO_SOURCE_FAILED', `The job has no network, and its source is at ${address.host}.`, {
    retryable: false,
    hint: 'Set `network: isolated` in the job; with `network: none` a source cannot be fetched.',
  });
}

function secretOf(source: JobSource, context: CheckoutContext): string | undefined {
  if (source.credentials === undefined) return undefined;
  const value = context.secret(source.credentials);
  if (value === undefined)
    throw new RitmoError(
      'RITMO_SECRET_MISSING',
      `The secret ${source.credentials} of \`source.credentials\` was not delivered.`,
    );
  return value;
}

/** Fetches the first reading of the ref that the repository knows; answers what to check out. */
async function fetch(
  git: Git,
  readings: readonly RefReading[],
  source: JobSource,
  note: CheckoutContext['note'],
): Promise<string> {
  const shallow = source.depth === undefined ? [] : ['--depth', String(source.depth), '--no-tags'];
  for (const reading of readings) {
    if (reading.kind === 'short') break;
    const wanted = reading.kind === 'commit' ? reading.hash : reading.remote;
    const refspec = reading.kind === 'ref' && reading.local !== undefined ? `+${wanted}:${reading.local}` : wanted;
    if (await git.fetched([...shallow, '--', 'origin', refspec])) return 'FETCH_HEAD';
  }
  const last = readings.at(-1);
  if (last !== undefined && last.kind !== 'ref') {
    note('info', 'The commit cannot be fetched by itself; fetching all branches and tags.');
    await git.fetched(['--', 'origin', ...allRefs]);
    const commit = await git.find(last.kind === 'commit' ? last.hash : last.prefix);
    if (commit !== undefined) return commit;
  }
  const what =
    source.ref === undefined
      ? 'The repository has no commit yet'
      : `The repository knows no branch, tag or commit ${source.ref}`;
  throw new RitmoError('RITMO_SOURCE_REF', `${what}.`);
}

/** Submodules come from wherever the repository says: over the network only, and with credentials for the same host only. */
async function fetchSubmodules(git: Git, source: JobSource): Promise<void> {
  const depth = source.depth === undefined ? [] : ['--depth', String(source.depth)];
  await git.run('submodule', ['update', '--init', '--recursive', '--force', '--checkout', '--jobs', '4', ...depth], {
    env: { GIT_ALLOW_PROTOCOL: 'https:ssh' },
    repeat: true,
  });
}
