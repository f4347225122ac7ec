import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Lines } from '../support/lines.js';
import { runProgram, startProgram } from '../support/program.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import { mountsBelow, namesIn, processesWithMarker } from '../support/witness.js';

describe('Lines', () => {
  it('finds a line that was cut, printed before or after the wait began', async () => {
    const lines = new Lines();
    lines.push('first\nsec');
    const waiting = lines.waitFor(/^second (\d+)$/);
    lines.push('ond 2\nth');
    expect((await waiting)[1]).toBe('2');
    expect((await lines.waitFor(/^first$/))[0]).toBe('first');
    expect(lines.all).toEqual(['first', 'second 2']);
  });

  it('rejects with what was printed when the output ends without the line', async () => {
    const lines = new Lines();
    const waiting = lines.waitFor(/never/);
    lines.push('something else');
    lines.end();
    await expect(waiting).rejects.toThrow('something else');
  });

  it('rejects when the line does not come in time', async () => {
    await expect(new Lines().waitFor(/never/, 20)).rejects.toThrow('within 20 ms');
  });
});

describe('startProgram', () => {
  it('gives the program nothing of our environment but PATH, HOME and TMPDIR', async () => {
    process.env['RITMO_TEST_LEAK'] = 'leaked';
    const { stdout } = await runProgram(['env'], { env: { ONLY: 'this' } });
    delete process.env['RITMO_TEST_LEAK'];
    const names = stdout.split('\n').map((line) => line.split('=')[0] ?? '');
    expect(names.filter((name) => !['PATH', 'HOME', 'TMPDIR', 'ONLY', ''].includes(name))).toEqual([]);
  });

  it('says how a program ended', async () => {
    expect(await runProgram(['sh', '-c', 'echo out; echo err >&2; exit 3'])).toEqual({
      exitCode: 3,
      signal: undefined,
      stdout: 'out\n',
      stderr: 'err\n',
    });
    const sleeping = startProgram(['sh', '-c', 'echo ready; exec sleep 600']);
    await sleeping.stdout.waitFor(/ready/);
    sleeping.kill('SIGTERM');
    expect(await sleeping.ended).toEqual({ exitCode: undefined, signal: 'SIGTERM' });
  });
});

describe('the witness', () => {
  it('sees a process by its environment, and no longer once it has ended', async () => {
    const marker = `ritmo-witness-${process.pid}`;
    const program = startProgram(['sh', '-c', 'echo ready; exec sleep 600'], { env: { MARKER: marker } });
    await program.stdout.waitFor(/ready/);
    expect((await processesWithMarker(marker)).map(({ pid }) => pid)).toEqual([program.pid]);
    program.kill('SIGKILL');
    await program.ended;
    expect(await processesWithMarker(marker)).toEqual([]);
  });

  it('lists what lies in a folder, and mounts below one', async () => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, 'b'), '');
    await writeFile(join(folder, 'a'), '');
    expect(await namesIn(folder)).toEqual(['a', 'b']);
    expect(await namesIn(join(folder, 'missing'))).toEqual([]);
    expect(await mountsBelow('/proc')).toContain('/proc');
    expect(await mountsBelow(folder)).toEqual([]);
  });
});

describe('temporaryFolder', () => {
  let left: string;

  it('makes a folder', async () => {
    left = await temporaryFolder();
    expect(existsSync(left)).toBe(true);
  });

  it('has removed it once the test has ended', () => {
    expect(existsSync(left)).toBe(false);
  });
});
