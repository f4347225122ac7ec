import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { UserPool, userPoolSize } from '../../src/index.js';

const first = 1_000_000_000;
let root: string;
let folder: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'ritmo-users-'));
  folder = join(root, 'locks');
});

afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

it('gives each user out once, whoever asks on this machine', async () => {
  await using one = new UserPool(first, folder);
  await using two = new UserPool(first, folder);
  const user = await one.take(3);
  expect(user).toEqual({ uid: first + 3, gid: first + 3 });
  expect((await two.take(3)).uid).toBe(first + 4);
  expect((await one.take(3)).uid).toBe(first + 5);
  one.giveBack(user);
  expect(await one.take(3)).toEqual(user);
  expect(await two.claim(user.uid)).toBe(false);
  expect(statSync(folder).mode & 0o777).toBe(0o700);
});

it('is not disturbed by names that any user of the machine can take', async () => {
  const servers: Server[] = [];
  for (let uid = first; uid < first + userPoolSize; uid++) {
    const server = createServer().listen(`\0ritmo-user-${uid}`);
    await once(server, 'listening');
    servers.push(server);
  }
  try {
    await using pool = new UserPool(first, folder);
    expect((await pool.take(0)).uid).toBe(first);
  } finally {
    for (const server of servers) server.close();
  }
});

it('gives a user out again when the agent that held it was killed', async () => {
  const source = new URL('../../src/process/user-pool.ts', import.meta.url).pathname;
  const script = `import { UserPool } from '${source}';
    const pool = new UserPool(${first}, ${JSON.stringify(folder)});
    console.log((await pool.take(0)).uid); setInterval(() => pool, 1000);`;
  const child = spawn(
    process.execPath,
    ['--conditions=@ritmo/source', '--import', 'tsx', '--input-type=module', '-e', script],
    { stdio: ['ignore', 'pipe', 'inherit'], cwd: join(import.meta.dirname, '../../../..') },
  );
  const ended = once(child, 'exit');
  await once(child.stdout, 'data');
  await using pool = new UserPool(first, folder);
  expect(await pool.claim(first)).toBe(false);
  child.kill('SIGKILL');
  await ended;
  expect(await pool.claim(first)).toBe(true);
});

it('refuses a folder that others can reach', async () => {
  await using none = new UserPool(first, folder);
  mkdirSync(folder, { mode: 0o755 });
  chmodSync(folder, 0o755);
  await expect(none.take(0)).rejects.toMatchObject({ code: 'RITMO_EXECUTOR_UNAVAILABLE' });
});

it.runIf(process.getuid?.() === 0)('passes over a user as whom something runs', async () => {
  const child = spawn('sleep', ['600'], { uid: first + 100, gid: first + 100, stdio: 'ignore' });
  await once(child, 'spawn');
  try {
    await using pool = new UserPool(first, folder);
    expect((await pool.take(100)).uid).toBe(first + 101);
  } finally {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
});
