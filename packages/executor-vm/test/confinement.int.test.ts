import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { environmentValue, listProcesses } from '@ritmo/host-linux';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sh, Workbench } from './support/bench.js';

/** Ids of the processes of QEMU that belong to the machines of an agent. */
function emulators({ host }: Workbench): number[] {
  const pids = listProcesses().map(({ pid }) => pid);
  return pids.filter(
    (pid) =>
      environmentValue(pid, `RITMO_VM=${host.ownerId}/`) !== undefined &&
      /qemu/.test(readFileSync(`/proc/${pid}/comm`, 'utf8')),
  );
}

function statusOf(pid: number): Record<string, string> {
  const lines = readFileSync(`/proc/${pid}/status`, 'utf8').trim().split('\n');
  return Object.fromEntries(lines.map((line) => [line.split(':')[0] ?? '', line.split(/:\s+/)[1] ?? '']));
}

describe('what a guest stands in that has broken out of its machine', () => {
  let bench: Workbench;
  beforeAll(async () => {
    bench = await Workbench.open();
  });
  afterAll(() => bench[Symbol.asyncDispose]());

  it('is a process without capabilities or new privileges, with filtered calls, in namespaces of its own', async () => {
    const sandbox = await bench.sandbox({ network: 'isolated' });
    expect((await sh(sandbox, 'id -u')).exit).toMatchObject({ status: 'exited', code: 0 });
    const found = emulators(bench);
    expect(found).toHaveLength(1);
    const [pid = 0] = found;
    const none = '0000000000000000';
    expect(statusOf(pid)).toMatchObject({ CapEff: none, CapPrm: none, CapBnd: none, NoNewPrivs: '1', Seccomp: '2' });
    for (const kind of ['mnt', 'pid', 'net', 'ipc', 'uts', 'user']) {
      expect(readlinkSync(`/proc/${pid}/ns/${kind}`), kind).not.toBe(readlinkSync(`/proc/self/ns/${kind}`));
    }
    const seen = readdirSync(`/proc/${pid}/root`);
    for (const path of ['root', 'home', 'var', 'srv']) expect(seen).not.toContain(path);
  });

  it.runIf(process.getuid?.() === 0)('has a user that no other build has', async () => {
    const other = await bench.sandbox({ network: 'none' });
    expect((await sh(other, 'true')).exit).toMatchObject({ status: 'exited', code: 0 });
    const users = emulators(bench).map((pid) => statusOf(pid)['Uid']?.split('\t')[0]);
    expect(users).toHaveLength(2);
    expect(new Set(users).size).toBe(2);
    expect(users).not.toContain('0');
  });
});
