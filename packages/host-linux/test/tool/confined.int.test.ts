import { describe, expect, it } from 'vitest';
import { type ConfinedProgram, findProgram, runConfined } from '../../src/index.js';

const bubblewrap = findProgram('bwrap') ?? '/usr/bin/bwrap';
/** A pipe cannot be synced: the kernel refuses, unless it is not asked. */
const syncsItsOutput = ['dd', 'if=/dev/zero', 'bs=1', 'count=1', 'conv=fsync', 'status=none'] as const;
const program = (over: Partial<ConfinedProgram>): ConfinedProgram => ({
  bubblewrap,
  argv: ['true'],
  env: { PATH: '/usr/bin:/bin' },
  user: undefined,
  inside: { uid: 1_000, gid: 1_000 },
  cwd: '/',
  binds: [],
  mark: 'RITMO_TEST=confined',
  ...over,
});
const run = (over: Partial<ConfinedProgram>) => runConfined(program(over), new AbortController().signal);

describe('a confined program', () => {
  it('waits for disks, as programs do', async () => {
    await expect(run({ argv: syncsItsOutput })).rejects.toThrow(/fsync failed/);
  });

  it('does not where what it writes need not survive a crash; all else is as it was', async () => {
    expect(await run({ argv: syncsItsOutput, unsynced: true })).toBe('\0');
    expect(await run({ argv: ['id', '-u'], unsynced: true })).toBe('1000\n');
  });
});
