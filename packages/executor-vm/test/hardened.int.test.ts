import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sh, Workbench } from './support/bench.js';
import { busyboxTar } from './support/image.js';

const image = { reference: 'ritmo/su:test', pull: ['never' as const] };
let folder: string;
let bench: Workbench;

describe('the profile hardened in a machine', () => {
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'ritmo-hardened-'));
    bench = await Workbench.open({
      images: {
        [image.reference]: { tar: imageWithSu(folder) },
        'ritmo/build:test': { tar: busyboxTar(), user: 'build' },
      },
    });
  });
  afterAll(async () => {
    await bench[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });

  it('steps are nobody in particular, have no capability, and become root by no program of the image', async () => {
    await using box = await bench.sandbox({ image, profile: 'hardened' });
    const { stdout } = await sh(
      box,
      'id -u; grep CapEff /proc/self/status; stat -c %a /bin/busybox; su -c "id -u"; echo $?',
    );
    const [uid, capabilities, mode, status] = stdout.split('\n');
    expect(Number(uid)).toBeGreaterThan(60_000);
    expect(capabilities).toMatch(/CapEff:\s0{16}$/);
    expect(mode).toBe('4755');
    expect(status).toBe('1');
  });

  it('the image is read only; workspace, home and /tmp are not, but run nothing with rights of others', async () => {
    await using box = await bench.sandbox({ image, profile: 'hardened', network: 'isolated' });
    const { exit, stdout, stderr } = await sh(
      box,
      'touch /x /etc/x; for at in . /tmp "$HOME"; do echo $at >$at/file && cat $at/file; done; cat /etc/resolv.conf',
    );
    expect(exit).toEqual({ status: 'exited', code: 0 });
    expect(stderr.match(/Read-only file system/g)).toHaveLength(2);
    expect(stdout).toBe('.\n/tmp\n/run/ritmo/home\nnameserver 10.0.3.3\n');
    const { stdout: mounts } = await sh(
      box,
      `awk '$2 ~ "^/(workspace|tmp|run/ritmo/home)?$" { print $2, $4 }' /proc/mounts`,
    );
    const lines = mounts.trim().split('\n');
    expect(lines).toHaveLength(4);
    for (const line of lines) expect(line).toMatch(/nosuid,nodev/);
  });

  it('files come in and out as in any other machine, and belong to the user of the steps', async () => {
    await using box = await bench.sandbox({ image, profile: 'hardened' });
    const never = new AbortController().signal;
    const body = Readable.from([Buffer.from('given\n')]);
    await box.put([{ kind: 'file', path: 'in', mode: 0o600, size: 6, mtimeMs: 0, body }], box.workdir, never);
    expect((await sh(box, 'cat in && mkdir out && cp in out/back && rm in && echo fine')).stdout).toBe('given\nfine\n');
    const patterns = { include: ['out/**'], exclude: [], dotfiles: false, maxFiles: 10, maxBytes: 1_000 };
    const paths: string[] = [];
    for await (const entry of box.collect(patterns, never)) paths.push(entry.path);
    expect(paths).toEqual(['out/back']);
  });

  it('a user that the image names stays who it is', async () => {
    const reference = 'ritmo/build:test';
    await using box = await bench.sandbox({ image: { ...image, reference }, profile: 'hardened' });
    expect((await sh(box, 'id -un; touch /home/build/x || echo "$HOME"')).stdout).toBe('build\n/run/ritmo/home\n');
  });
});

/** A root filesystem whose busybox makes anybody root that asks for it by `su`. */
function imageWithSu(into: string): string {
  const root = join(into, 'root');
  execFileSync('mkdir', [root]);
  execFileSync('tar', ['-xf', busyboxTar(), '-C', root]);
  chmodSync(join(root, 'bin/busybox'), 0o4755);
  writeFileSync(join(root, 'etc/passwd'), 'root::0:0:root:/root:/bin/sh\n');
  execFileSync('tar', ['--owner=0', '--group=0', '-C', root, '-cf', `${root}.tar`, '.']);
  return `${root}.tar`;
}
