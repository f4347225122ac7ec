import type { JobInput } from '@ritmo/protocol';
import { describe, expect, it } from 'vitest';
import type { CacheStore } from '../../src/index.js';
import type { CollectedEntry } from '../../src/executor/sandbox.js';
import { all, each, file } from '../artifact/support.js';
import { agentFixture } from '../support/agent-fixture.js';
import { scriptedExecutor } from '../support/scripted-executor.js';

/** A store in memory that says what it was asked. */
function memoryCaches(kept: Readonly<Record<string, Uint8Array>> = {}) {
  const archives = new Map(Object.entries(kept));
  const scopes = new Set<string>();
  const store: CacheStore = {
    name: 'memory',
    async find({ scope, key, prefixes }) {
      scopes.add(scope);
      const found = [key, ...prefixes].flatMap((wanted) =>
        [...archives.keys()].filter((one) => one.startsWith(wanted)),
      );
      const [first] = found;
      const bytes = first === undefined ? undefined : archives.get(first);
      if (first === undefined || bytes === undefined) return undefined;
      return { key: first, size: bytes.length, read: () => each([bytes]) };
    },
    async save(scope, key, archive) {
      scopes.add(scope);
      if (archives.has(key)) return false;
      archives.set(key, Buffer.concat(await all(archive())));
      return true;
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
  return { store, archives, scopes };
}

const deps: CollectedEntry = {
  ...(file('deps/a.txt', 'content') as Extract<CollectedEntry, { kind: 'file' }>),
  body: { [Symbol.asyncIterator]: () => each([Buffer.from('content')])[Symbol.asyncIterator]() },
};

async function run(
  caches: CacheStore | undefined,
  job: Partial<JobInput> = {},
  entries: readonly CollectedEntry[] = [deps],
  scope = 'project-7',
) {
  const executor = scriptedExecutor({ artifacts: entries });
  const { agent, server } = await agentFixture({ executor, ...(caches && { caches }) });
  await agent.start();
  const entry = server.submit(
    { name: 'a job', steps: [{ run: 'print done' }], caches: [{ key: 'deps-1', paths: ['deps'] }], ...job },
    {},
    scope === '' ? {} : { cacheScope: scope },
  );
  const result = await entry.finished;
  await agent.drain();
  return { result, notes: entry.notes.join('\n'), files: executor.files };
}

describe('the caches of a job', () => {
  it('are saved after a build that succeeded, and are in the workspace of the next, with size and time in the log', async () => {
    const { store, archives, scopes } = memoryCaches();
    const first = await run(store);
    expect(first.result.outcome).toBe('succeeded');
    expect(first.notes).toMatch(/Cache deps-1: there is none yet\./);
    expect(first.notes).toMatch(/Cache deps-1: saved \d+ B of 1 file in [\d.]+ m?s\./);
    expect([...archives.keys()]).toEqual(['deps-1']);

    const second = await run(store);
    expect(second.notes).toMatch(/Cache deps-1: restored \d+ B in [\d.]+ m?s\./);
    expect(second.notes).not.toMatch(/saved/);
    expect(second.files.get('/workspace/deps/a.txt')?.content).toBe('content');
    expect([...scopes]).toEqual(['project-7']);
  });

  it('come from the nearest key where theirs has none, and are then saved under theirs', async () => {
    const { store, archives } = memoryCaches();
    await run(store);
    const job = { caches: [{ key: "deps-{{ hash 'deps/a.txt' }}", fallback: ['deps-'], paths: ['deps'] }] };
    const { notes } = await run(store, job);
    expect(notes).toMatch(/Cache deps-[0-9a-f]{32}: restored from deps-1, \d+ B in/);
    expect([...archives.keys()]).toEqual(['deps-1', expect.stringMatching(/^deps-[0-9a-f]{32}$/)]);
  });

  it('of a build that failed are not saved', async () => {
    const { store, archives } = memoryCaches();
    const { result } = await run(store, { steps: [{ run: 'exit 1' }] });
    expect(result.outcome).toBe('failed');
    expect(archives.size).toBe(0);
  });

  it('that cannot be used are a note, leave nothing of theirs, and the build goes on', async () => {
    const { store } = memoryCaches({ 'deps-1': Buffer.from('no archive') });
    const { result, notes, files } = await run(store);
    expect(result.outcome).toBe('succeeded');
    expect(notes).toMatch(/Cache deps-1: not restored: .*no archive\. \(RITMO_CACHE_BROKEN\)/);
    expect([...files.keys()].filter((name) => name.startsWith('/workspace/deps'))).toEqual([]);
  });

  it('that hold nothing are not saved', async () => {
    const { store, archives } = memoryCaches();
    const { result, notes } = await run(store, {}, []);
    expect(result.outcome).toBe('succeeded');
    expect(notes).toMatch(/Cache deps-1: not saved: nothing is in deps\./);
    expect(archives.size).toBe(0);
  });

  it('say which files could not be taken along', async () => {
    const { store } = memoryCaches();
    const refused = { kind: 'refused', path: 'deps/out', why: 'it is a link that leaves the workspace' } as const;
    const { notes } = await run(store, {}, [deps, refused]);
    expect(notes).toMatch(/Cache deps-1: 1 file could not be taken into it\./);
  });

  it('have no effect without a store, or where the server names no scope, and the log says so', async () => {
    expect((await run(undefined)).notes).toMatch(/caches of the job have no effect: this worker has no store/);
    const { store, archives } = memoryCaches();
    const { notes } = await run(store, {}, [deps], '');
    expect(notes).toMatch(/the server names no scope/);
    expect(archives.size).toBe(0);
  });
});
