import { type FileHandle, open, readdir } from 'node:fs/promises';
import type {
  CollectedEntry,
  ExecutorHost,
  PrepareScope,
  ProbeReport,
  ResourceUsage,
  SandboxId,
  SandboxRequest,
  SweepReport,
} from '@ritmo/agent-core/executor';
import { ReferenceExecutor } from '../reference/executor.js';
import { type ReferenceHome, ReferenceSandbox, ReferenceVolume } from '../reference/sandbox.js';
import { type Mutant, withCollect, withSandbox } from './mutant.js';

class DoesNotAwaitRecord extends ReferenceExecutor {
  override allocate(request: SandboxRequest, scope: PrepareScope): Promise<ReferenceVolume> {
    const record: PrepareScope['record'] = (it) => {
      scope.record(it).catch(() => undefined);
      return Promise.resolve();
    };
    return super.allocate(request, { ...scope, record });
  }
}

class RecordsWhatJsonLoses extends ReferenceExecutor {
  override allocate(request: SandboxRequest, scope: PrepareScope): Promise<ReferenceVolume> {
    const record: PrepareScope['record'] = (it) => scope.record({ ...it, state: { ...it.state, pid: Number.NaN } });
    return super.allocate(request, { ...scope, record });
  }
}

class ForgetsUnusedVolume extends ReferenceExecutor {
  override volumeOf(home: ReferenceHome): ReferenceVolume {
    return new (class extends ReferenceVolume {
      override async [Symbol.asyncDispose](): Promise<void> {
        const used = await readdir(home.path('work')).catch(() => []);
        if (used.length > 0) await super[Symbol.asyncDispose]();
      }
    })(home);
  }
}

class SweepsEverybody extends ReferenceExecutor {
  override async sweep(keep: ReadonlySet<SandboxId>, signal: AbortSignal): Promise<SweepReport> {
    const removed: SandboxId[] = [];
    for (const ownerId of await readdir(this.root)) {
      const other = new ReferenceExecutor({ ...this.host, ownerId }, this.root);
      removed.push(...(await other.sweep(keep, signal)).removed);
    }
    return { removed, failed: [] };
  }
}

class SweepsWhatIsKept extends ReferenceExecutor {
  override sweep(_: ReadonlySet<SandboxId>, signal: AbortSignal): Promise<SweepReport> {
    return super.sweep(new Set(), signal);
  }
}

class WeakensNetwork extends ReferenceExecutor {
  override refuse(request: SandboxRequest): void {
    super.refuse(request.network === 'none' ? { ...request, network: 'host' } : request);
  }
}

class DropsLimits extends ReferenceExecutor {
  override refuse(request: SandboxRequest): void {
    const { memoryBytes: _, ...limits } = request.limits;
    super.refuse({ ...request, limits });
  }
}

class IgnoresProfile extends ReferenceExecutor {
  override refuse(request: SandboxRequest): void {
    super.refuse({ ...request, profile: 'standard' });
  }
}

class RefusesTooLate extends ReferenceExecutor {
  override async allocate(request: SandboxRequest, scope: PrepareScope): Promise<ReferenceVolume> {
    const volume = await super.allocate({ ...request, services: [] }, scope);
    this.refuse(request);
    return volume;
  }
}

class ClaimsToRecover extends ReferenceExecutor {
  constructor(host: ExecutorHost, root: string) {
    super(host, root);
    this.capabilities = { ...this.capabilities, recover: true };
  }
}

class ProbesLeakFiles extends ReferenceExecutor {
  readonly #open: FileHandle[] = [];

  override async probe(signal: AbortSignal): Promise<ProbeReport> {
    this.#open.push(await open('/proc/self/stat'));
    return super.probe(signal);
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    for (const handle of this.#open.splice(0)) await handle.close();
    await super[Symbol.asyncDispose]();
  }
}

const CountsNothing = withSandbox(
  () =>
    class extends ReferenceSandbox {
      override usage(): Promise<ResourceUsage & { cpuMs: number }> {
        return Promise.resolve({ cpuMs: 0 });
      }
    },
);

const ForgetsModes = withSandbox(
  () =>
    class extends ReferenceSandbox {
      override put(...[files, dest, signal]: Parameters<ReferenceSandbox['put']>): Promise<void> {
        const plain = async function* () {
          for await (const file of files) yield { ...file, mode: 0o644 };
        };
        return super.put(plain(), dest, signal);
      }
    },
);

/** Mutants of what is made, kept, given out and refused. */
export const resourceMutants: readonly Mutant[] = [
  { wrong: 'claims to recover, and cannot', Executor: ClaimsToRecover, caughtBy: ['identity.recover-method'] },
  { wrong: 'records what JSON cannot hold', Executor: RecordsWhatJsonLoses, caughtBy: ['identity.record'] },
  { wrong: 'leaks a descriptor with each probe', Executor: ProbesLeakFiles, caughtBy: ['probe.only-reads'] },
  {
    wrong: 'does not wait until the record is kept',
    Executor: DoesNotAwaitRecord,
    caughtBy: ['prepare.record-first', 'prepare.record-fails'],
  },
  {
    wrong: 'forgets a volume that nobody used',
    Executor: ForgetsUnusedVolume,
    caughtBy: ['dispose.unused-volume', 'prepare.abort-before-prepare', 'prepare.record-first'],
  },
  { wrong: 'sweeps what belongs to others', Executor: SweepsEverybody, caughtBy: ['dispose.sweep-foreign'] },
  { wrong: 'sweeps what is to be kept', Executor: SweepsWhatIsKept, caughtBy: ['dispose.sweep-keep'] },
  { wrong: 'takes network none for host', Executor: WeakensNetwork, caughtBy: ['refusal.network-none'] },
  { wrong: 'drops a limit that it cannot set', Executor: DropsLimits, caughtBy: ['refusal.limit-memory'] },
  { wrong: 'does not look at the profile', Executor: IgnoresProfile, caughtBy: ['prepare.profile-hardened'] },
  { wrong: 'refuses only after it has made something', Executor: RefusesTooLate, caughtBy: ['refusal.services'] },
  { wrong: 'accounts for nothing', Executor: CountsNothing, caughtBy: ['exit.usage'] },
  { wrong: 'puts files with a mode of its own', Executor: ForgetsModes, caughtBy: ['files.put'] },
  {
    wrong: 'follows links out of the workspace',
    Executor: withCollect(
      (collect) =>
        async function* (request, signal) {
          for await (const entry of collect(request, signal)) yield isLinkOut(entry) ? followed(entry.path) : entry;
        },
    ),
    caughtBy: ['collect.links-out', 'collect.through-link'],
  },
  {
    wrong: 'collects .git without being asked',
    Executor: withCollect(
      (collect) => (request, signal) => collect({ ...request, include: [...request.include, '.git'] }, signal),
    ),
    caughtBy: ['collect.git'],
  },
  {
    wrong: 'knows no limits of artifacts',
    Executor: withCollect(
      (collect) => (request, signal) => collect({ ...request, maxFiles: 1e9, maxBytes: 1e12 }, signal),
    ),
    caughtBy: ['collect.limits'],
  },
  {
    wrong: 'drops the bytes of a name that is not UTF-8',
    Executor: withCollect(
      (collect) =>
        async function* (request, signal) {
          for await (const entry of collect(request, signal)) {
            const { pathBytes: _, ...plain } = { pathBytes: undefined, ...entry };
            yield plain;
          }
        },
    ),
    caughtBy: ['collect.bytes-names'],
  },
];

const isLinkOut = (entry: CollectedEntry) => entry.kind === 'refused' && entry.why.includes('link');

function followed(path: string): CollectedEntry {
  const body = (async function* () {
    yield Buffer.from('root:x:0:0');
  })();
  return { kind: 'file', path, size: 10, mode: 0o644, mtimeMs: 0, body };
}
