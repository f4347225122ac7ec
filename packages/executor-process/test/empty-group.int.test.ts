import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { endGroup, openCgroups, removeGroup } from '@ritmo/host-linux';
import { expect, it } from 'vitest';

const root = process.getuid?.() === 0;

it.runIf(root)('a group that was emptied takes processes again, and they may fork', async () => {
  const cgroups = openCgroups(`ritmo-test-${process.pid}`, { uid: 0, gid: 0 });
  if (!cgroups) throw new Error('this host lets nobody make control groups');
  const group = cgroups.create('one', { ...(cgroups.limits.includes('pids') && { pids: 50 }) });
  try {
    const child = spawn('sleep', ['600'], { stdio: 'ignore' });
    const ended = once(child, 'exit');
    for (const file of group.joinFiles) writeFileSync(file, String(child.pid));
    await endGroup(group);
    expect((await ended)[1]).toBe('SIGKILL');
    const next = spawn('sh', ['-c', 'read go; sh -c "exit 7"; exit $?'], { stdio: ['pipe', 'ignore', 'ignore'] });
    const nextEnded = once(next, 'exit');
    for (const file of group.joinFiles) writeFileSync(file, String(next.pid));
    next.stdin.end('go\n');
    expect((await nextEnded)[0]).toBe(7);
    const pids = group.joinFiles.map((file) => file.replace('cgroup.procs', 'pids.max'));
    for (const file of pids.filter((name) => name.includes('/pids/'))) expect(readFileSync(file, 'utf8')).toBe('50\n');
  } finally {
    await removeGroup(group);
    cgroups.close();
  }
});
