import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, expect, it } from 'vitest';
import {
  descendantsOf,
  environmentValue,
  findByEnvironment,
  findProgram,
  innermostPid,
  inheritedDescriptors,
  isRunning,
  readProcess,
  signalPid,
  signalProcess,
} from '../../src/index.js';

const children: Array<ReturnType<typeof spawn>> = [];

afterEach(async () => {
  for (const child of children.splice(0)) {
    const ended = child.exitCode !== null || child.signalCode !== null;
    signalPid(-(child.pid as number), 'SIGKILL');
    if (!ended) await once(child, 'exit');
  }
});

/** A shell that has said that it is ready, and what it said. */
async function talkingShell(script: string, env: Record<string, string> = {}) {
  const child = spawn('sh', ['-c', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
    env: { PATH: '/usr/bin:/bin', ...env },
  });
  children.push(child);
  const [said] = (await once(child.stdout, 'data')) as [Buffer];
  return { pid: child.pid as number, said: said.toString() };
}

async function shell(script: string, env: Record<string, string> = {}): Promise<number> {
  return (await talkingShell(script, env)).pid;
}

it('finds the children of a process and theirs, also those that left its group', async () => {
  const { pid, said } = await talkingShell(String.raw`setsid sh -c 'sleep 600 & echo $$ $!; wait' & wait`);
  const found = descendantsOf(pid).map((info) => info.pid);
  expect(new Set(found)).toEqual(new Set(said.trim().split(' ').map(Number)));
  for (const info of descendantsOf(pid)) signalProcess(info, 'SIGKILL');
});

it('finds a process by a variable that it was started with, whole', async () => {
  const pid = await shell('echo ready; sleep 600', { MARK: 'one/two' });
  expect(findByEnvironment('MARK=one/two').map((info) => info.pid)).toContain(pid);
  expect(findByEnvironment('MARK=one').map((info) => info.pid)).not.toContain(pid);
  expect(environmentValue(pid, 'MARK=one/')).toBe('two');
});

it('knows a process that has ended from another of its number', async () => {
  const pid = await shell('echo ready; sleep 600');
  const info = readProcess(pid);
  expect(info).toMatchObject({ pid, parent: process.pid, group: pid });
  expect(innermostPid(pid)).toBe(pid);
  expect(isRunning({ pid, startTime: (info?.startTime ?? 0) + 1 })).toBe(false);
  expect(signalProcess({ pid, startTime: 1 }, 'SIGKILL')).toBe(false);
  expect(signalPid(pid, 'SIGKILL')).toBe(true);
  await once(children[0] as NodeJS.EventEmitter, 'exit');
  expect(info !== undefined && isRunning(info)).toBe(false);
  expect(signalPid(pid, 'SIGKILL')).toBe(false);
});

it('looks programs up in absolute folders of the search path only', () => {
  expect(findProgram('sh', '.:relative:/nowhere:/bin')).toBe('/bin/sh');
  expect(findProgram('sh', '/nowhere')).toBeUndefined();
  expect(findProgram('/bin/sh')).toBe('/bin/sh');
  expect(findProgram('./sh', '/bin')).toBeUndefined();
  expect(findProgram('passwd', '/etc')).toBeUndefined();
});

it('sees the descriptors that a process was started with', () => {
  const file = new URL('../../src/process/inherited-descriptors.ts', import.meta.url).pathname;
  const script = `import { inheritedDescriptors } from '${file}'; console.log(JSON.stringify(inheritedDescriptors()))`;
  const bash = 'exec "$0" --import tsx --input-type=module -e "$1" 77</dev/null';
  const { stdout } = spawnSync('bash', ['-c', bash, process.execPath, script], { encoding: 'utf8' });
  expect(JSON.parse(stdout)).toContain(77);
  expect(inheritedDescriptors().filter((fd) => fd <= 2)).toEqual([]);
});
