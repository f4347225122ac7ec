import { execFile, spawn, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { findDaemon } from '../src/docker/address.js';
import { busyboxImage, makeBusyboxImage } from './support/images.js';
import { type RemoteDaemon, startRemoteDaemon } from './support/remote-daemon.js';
import { type Box, Worker } from './support/host.js';

const run = promisify(execFile);
let daemon: RemoteDaemon;
let worker: Worker;
beforeAll(async () => {
  daemon = await startRemoteDaemon();
  await makeBusyboxImage(daemon.address);
  worker = await Worker.open({ address: daemon.address });
});
afterAll(async () => {
  await worker[Symbol.asyncDispose]();
  await daemon[Symbol.asyncDispose]();
});

const broken = { code: 'RITMO_SANDBOX_BROKEN' };
const docker = async (...args: string[]) =>
  (await run('/usr/bin/docker', ['--host', daemon.address, ...args], { maxBuffer: 2 ** 26 })).stdout;

/** Runs a step that is meant to break its sandbox. */
async function breaks(box: Box, script: string): Promise<void> {
  await expect(box.start(script, {}, 200).exit).rejects.toMatchObject(broken);
}

/** Finds the shell around the step: the parent of the one that waits for it. */
const wrapper = 'read -r a b c parent rest < /proc/$PPID/stat';

it('ends the job when a step kills the shell around it, and when it freezes it', async () => {
  await using killed = await worker.box();
  await breaks(killed, `${wrapper}; kill -KILL $parent; sleep 600`);
  await using frozen = await worker.box();
  await breaks(frozen, `${wrapper}; kill -STOP $parent; exit 0`);
});

it('ends the job when a step ends what holds its container open', async () => {
  await using box = await worker.box();
  await breaks(box, 'kill -KILL -1; sleep 600');
});

it('settles a step whose daemons hold the output open, with all that it has printed', async () => {
  await using box = await worker.box();
  const { exit, text } = await box.sh('(setsid sleep 600 &); echo said; exit 6');
  expect(exit).toMatchObject({ status: 'exited', code: 6, stragglers: 1 });
  expect(text).toBe('said\n');
});

it('tells what a step prints from what the shell around it says', async () => {
  await using box = await worker.box();
  const { exit, text } = await box.sh(`echo "${'0'.repeat(32)} ended 0 silent 0 0 0"; echo "code 0" >&2; exit 9`);
  expect(exit).toEqual({ status: 'exited', code: 9 });
  expect(text).toContain('ended 0 silent 0 0 0\n');
});

it('shows a step no variable of another step', async () => {
  await using box = await worker.box();
  await box.sh('exit 0', { SECRET: 'of the first step' });
  const { text } = await box.sh('grep -al "of the [f]irst" /proc/[0-9]*/environ; ls -A /run/ritmo/private; echo end');
  expect(text).toBe('end\n');
});

it('lets a step gain no rights and make no device; hardened, it is nobody in particular on a read-only root', async () => {
  await using box = await worker.box();
  const plain = await box.sh('grep NoNewPrivs /proc/self/status; ls /var/run/docker.sock; mknod dev b 7 0');
  expect(plain.text).toMatch(/NoNewPrivs:\s1/);
  expect(plain.text).toMatch(/docker\.sock: No such file/);
  expect(plain.text).toMatch(/mknod: .*Operation not permitted/);
  await using hardened = await worker.box({ profile: 'hardened' });
  const self = await hardened.sh('id -u; grep CapEff /proc/self/status');
  expect(Number(self.text.split('\n')[0])).toBeGreaterThanOrEqual(1_000);
  expect(self.text).toMatch(/CapEff:\s0000000000000000/);
  const { exit, text } = await hardened.sh(
    'echo x > /x; echo x > file && echo x > /tmp/file && echo x > "$HOME/file" && exit 5',
  );
  expect(text).toMatch(/Read-only file system/);
  expect(exit).toEqual({ status: 'exited', code: 5 });
});

it('stops a build that ignores SIGTERM, has sessions of its own and has taken all its processes, and runs the cleanup step', async () => {
  await using box = await worker.box({ limits: { pids: 40 } });
  const script = `trap '' TERM; i=0; while [ $i -lt 32 ]; do setsid sleep 600 & i=$((i+1)); done; echo ready; wait`;
  const step = box.start(script, {}, 300);
  await step.printed('ready');
  step.abort({ reason: 'user' });
  expect(await step.exit).toEqual({ status: 'cancelled', reason: 'user', forced: true });
  expect((await box.sh('ps | grep -c "[s]leep 600$"; exit 4')).exit).toEqual({ status: 'exited', code: 4 });
});

it('writes through no link that a step has put in the way', async () => {
  await using box = await worker.box();
  await box.sh('ln -s /etc folder; ln -s /etc/passwd file; exit 0');
  const content = (path: string, text: string) => ({
    ...({ kind: 'file', path, mode: 0o644, mtimeMs: 0, size: text.length } as const),
    body: (async function* () {
      yield Buffer.from(text);
    })(),
  });
  const put = (path: string) =>
    box.sandbox.put([content(path, 'mine')], box.sandbox.workdir, new AbortController().signal);
  await expect(put('folder/passwd')).rejects.toMatchObject({ code: 'RITMO_WORKSPACE_ESCAPE' });
  await put('file');
  expect((await box.sh('cat file; grep -c mine /etc/passwd')).text).toBe('mine0\n');
});

it('leaves a secret in neither inspect, events, history nor on a disk of either host', async () => {
  const secret = `hush-${randomUUID()}`;
  const begin = Math.floor(Date.now() / 1000) - 1;
  const box = await worker.box();
  const body = (async function* () {
    yield Buffer.from(secret);
  })();
  const file = { kind: 'file', path: 'token', mode: 0o600, mtimeMs: 0, size: secret.length, body } as const;
  await box.sandbox.put([file], box.sandbox.privateDir, new AbortController().signal);
  const script = '[ "$(cat /run/ritmo/private/token)" = "$TOKEN" ] && echo same; sleep 600';
  const step = box.start(script, { TOKEN: secret }, 0);
  await step.printed('same');
  const [id = ''] = (await docker('ps', '-q', '--filter', `label=dev.ritmo.owner=${worker.host.ownerId}`)).split('\n');
  const dataRoot = (await docker('info', '--format', '{{.DockerRootDir}}')).trim();
  const now = Math.ceil(Date.now() / 1000) + 1;
  const execs = JSON.parse(await docker('inspect', '--format', '{{json .ExecIDs}}', id)) as string[] | null;
  const { client } = await findDaemon(daemon.address);
  const shown = await Promise.all(
    (execs ?? []).map((exec) => client.dial({ method: 'GET', path: `/exec/${exec}/json` })),
  );
  expect(shown.length).toBeGreaterThan(0);
  // What the daemon has on its disk is seen where it is: in its own mount namespace.
  const find = (text: string) =>
    spawnSync('nsenter', ['-t', String(daemon.pid), '-m', 'grep', '-rlsF', '--devices=skip', text, dataRoot], {
      encoding: 'utf8',
    }).stdout;
  expect({
    inspect: (await docker('inspect', id)).includes(secret),
    execs: JSON.stringify(shown).includes(secret),
    events: (await docker('events', '--since', String(begin), '--until', String(now))).includes(secret),
    history: (await docker('history', '--no-trunc', busyboxImage)).includes(secret),
    commandLines: spawnSync('sh', ['-c', 'cat /proc/[0-9]*/cmdline 2>/dev/null']).stdout.includes(secret),
    theirs: find(secret),
    ours: spawnSync('grep', ['-rlsF', secret, worker.host.stateDir], { encoding: 'utf8' }).stdout,
  }).toEqual({
    inspect: false,
    execs: false,
    events: false,
    history: false,
    commandLines: false,
    theirs: '',
    ours: '',
  });
  step.abort({ reason: 'user', graceMs: 0 });
  await step.exit;
  const plain = `plain-${randomUUID()}`;
  await box.sh(`echo ${plain} > /workspace/file`);
  expect(find(plain), 'the search finds nothing at all').not.toBe('');
  await box[Symbol.asyncDispose]();
});

it('ends a container whose agent was killed, at once; the next agent removes container, volumes and folders', async () => {
  await using next = await Worker.open({ address: daemon.address });
  const { ownerId, stateDir } = next.host;
  const script = fileURLToPath(new URL('support/agent-with-a-step.ts', import.meta.url));
  const node = ['--import', import.meta.resolve('tsx'), '--conditions=@ritmo/source', script];
  const agent = spawn(process.execPath, [...node, busyboxImage, daemon.address, ownerId, stateDir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(agent.stdout, 'data');
  const { client } = await findDaemon(daemon.address);
  const [container] = await client.listContainers(`dev.ritmo.owner=${ownerId}`);
  const ended = client.waitForExit(container?.id ?? '', 'started', AbortSignal.timeout(60_000));
  const gone = once(agent, 'exit');
  agent.kill('SIGKILL');
  await gone;
  await ended;
  expect(next.residue().map((line) => line.split(' ')[0])).toContain('volume');
  const swept = await next.executor.sweep(new Set(), AbortSignal.timeout(60_000));
  expect(swept).toEqual({ removed: ['left-1'], failed: [] });
});

it('ends a container at its deadline, although its agent is there', async () => {
  await using box = await worker.box({ deadlineMs: 6_000 });
  await breaks(box, 'echo ready; sleep 600');
});
