import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { chown, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RitmoError, SandboxRecord, WorkspaceVolume } from '@ritmo/agent-core/executor';
import { caseOf } from '../case.js';
import type { TestSandbox } from '../test-sandbox.js';

const prepare = caseOf('prepare');

export const prepareCases = [
  prepare('empty', 'allocates an empty workspace', async (context) => {
    const box = await context.sandbox();
    assert.equal(await box.ok('ls -A'), '');
  }),

  prepare('owner', 'runs steps as the owner of the workspace, who may write to it', async (context) => {
    const box = await context.sandbox();
    const [uid, gid] = (await box.ok('id -u; id -g; : > made-here')).trim().split('\n');
    assert.deepEqual({ uid: Number(uid), gid: Number(gid) }, { uid: box.volume.uid, gid: box.volume.gid });
  }),

  prepare('filled', 'shows steps what was put into the volume before', async (context) => {
    const text = randomUUID();
    const box = await context.sandbox({}, (volume) => fill(volume, 'seed.txt', text));
    assert.equal(await box.ok('cat seed.txt; echo more >> seed.txt'), text);
    assert.equal(await box.ok('cat seed.txt'), `${text}more\n`);
  }),

  prepare('record-first', 'awaits the record before it goes on', async (context) => {
    let handOver: (record: SandboxRecord) => void = () => undefined;
    let journalled: () => void = () => undefined;
    const handed = new Promise<SandboxRecord>((resolve) => (handOver = resolve));
    const journal = new Promise<void>((resolve) => (journalled = resolve));
    let settled = false;
    const scope = context.scope({
      record: (record) => {
        handOver(record);
        return journal;
      },
    });
    const request = context.request();
    const volume = context.allocate(request, scope).finally(() => (settled = true));
    volume.catch(() => undefined);
    await context.within('the record', 60_000, Promise.race([handed, volume.then(() => undefined)]));
    // A turn of the loop, and work of the kernel: whoever does not wait for the journal is through by now.
    for (let i = 0; i < 20; i++) await context.residue();
    const early = settled;
    journalled();
    await volume;
    assert.equal(early, false, 'allocate ended although its record was not journalled');
  }),

  prepare('record-fails', 'fails and leaves nothing when the record cannot be kept', async (context) => {
    const scope = context.scope({ record: () => Promise.reject(new Error('the journal is full')) });
    await assert.rejects(async () => {
      const request = context.request();
      const volume = await context.allocate(request, scope);
      await context.prepare(request, volume, scope);
    }, 'neither allocate nor prepare failed');
    assert.deepEqual(await context.residue(), []);
  }),

  prepare('parallel', 'keeps four sandboxes at once apart', async (context) => {
    const boxes = await Promise.all([1, 2, 3, 4].map(() => context.sandbox()));
    const write = 'for d in . "$HOME" "$TMPDIR"; do echo "$1" > "$d/who"; done';
    await Promise.all(boxes.map((box, i) => box.ok(write, { args: [`box ${i}`] })));
    const read = 'for d in . "$HOME" "$TMPDIR"; do cat "$d/who"; done; ls -A';
    const seen = await Promise.all(boxes.map((box) => box.ok(read)));
    seen.forEach((text, i) => {
      assert.deepEqual(text.split('\n').slice(0, 3), Array(3).fill(`box ${i}`), 'a sandbox sees what another wrote');
    });
  }),

  prepare(
    'hidden',
    'hides the workspace of one sandbox from another',
    async (context) => {
      const [mine, other] = await Promise.all([context.sandbox(), context.sandbox()]);
      const secret = randomUUID();
      await other.ok('echo "$1" > secret', { args: [secret] });
      const look = 'cat "$1/secret" "$1"/*/secret; ls -A "$1"; ls -A "$2"; exit 0';
      const { output } = await mine.sh(look, { args: [other.volume.hostPath, join(other.volume.hostPath, '..')] });
      assert.ok(!output.all().includes(secret), "the other's file could be read by its host path");
    },
    { needs: ({ isolation }) => isolation !== 'none' || 'declares isolation none' },
  ),

  prepare(
    'no-network',
    'gives a step without network no way out',
    async (context) => {
      const box = await context.sandbox({ network: 'none' });
      const devices = await box.ok('cat /proc/net/dev');
      const names = [...devices.matchAll(/^\s*([^\s:|]+):/gm)].map((match) => match[1]);
      assert.deepEqual(
        names.filter((name) => name !== 'lo'),
        [],
      );
    },
    {
      needs: ({ network, os }) =>
        !network.includes('none') ? 'does not declare network none' : os.includes('linux') || 'is not Linux inside',
    },
  ),

  prepare('each-network', 'runs steps under each network that it declares', async (context) => {
    for (const network of context.executor.capabilities.network) {
      const box = await context.sandbox({ network });
      assert.equal(await box.ok('echo fine'), 'fine\n', `under network ${network}`);
    }
  }),

  prepare('profile-hardened', 'keeps the profile hardened, or refuses it', async (context) => {
    let box: TestSandbox;
    try {
      box = await context.sandbox({ profile: 'hardened' });
    } catch (error) {
      assert.equal((error as RitmoError).code, 'RITMO_EXECUTOR_UNSUPPORTED', 'it fails, and is not refused');
      return assert.deepEqual(await context.residue(), [], 'it was refused, and yet left something behind');
    }
    assert.notEqual(
      context.executor.capabilities.isolation,
      'none',
      'nothing is hardened where nothing confines a step',
    );
    assert.notEqual(await box.ok('id -u'), '0\n', 'a hardened step is root');
    // Tried, since some shells only look at the mode.
    const writable = (paths: string) =>
      box.ok(
        `for at in ${paths}; do if (: > "$at/kit-was-here") 2>/dev/null; then echo "$at"; rm "$at/kit-was-here"; fi; done`,
      );
    assert.equal(await writable('/ /etc /usr'), '', 'a hardened step may write to the system');
    assert.equal((await writable('. "$HOME" "${TMPDIR:-/tmp}"')).split('\n').length, 4, 'it has no place to write to');
  }),
];

/** Writes a file as core does: by the host path, handed to the owner. */
async function fill(volume: WorkspaceVolume, name: string, text: string): Promise<void> {
  const path = join(volume.hostPath, name);
  await writeFile(path, text);
  if (process.getuid?.() === 0) await chown(path, volume.uid, volume.gid);
}
