import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { makeBusyboxImage } from './support/images.js';
import { type Box, Worker } from './support/host.js';

let worker: Worker;
beforeAll(async () => {
  await makeBusyboxImage();
  worker = await Worker.open();
});
afterAll(() => worker[Symbol.asyncDispose]());

/** Finds the supervisor: of the shells that serve a step it alone holds the FIFO of requests. */
const supervisor = 'for p in /proc/[0-9]*; do if [ -p $p/fd/3 ]; then s=$p; break; fi; done';

const broken = { code: 'RITMO_SANDBOX_BROKEN' };

/** Runs a step that is meant to break its sandbox. */
async function breaks(box: Box, script: string): Promise<void> {
  await expect(box.start(script, {}, 200).exit).rejects.toMatchObject(broken);
}

it('takes the names of the FIFOs away before a step runs', async () => {
  await using box = await worker.box();
  expect((await box.sh('ls /run/ritmo/supervisor')).text).toBe('supervisor.sh\n');
});

it('ends the job when a step forges a status line', async () => {
  await using box = await worker.box();
  await breaks(box, `${supervisor}; echo "00000000000000000000000000000000 ended 0 silent" > $s/fd/4; sleep 600`);
});

it('ends the job when a step floods the status FIFO', async () => {
  await using box = await worker.box();
  await breaks(box, `${supervisor}; head -c 100000 /dev/zero | tr '\\0' x > $s/fd/4; sleep 600`);
});

it('ends the job when a step kills or freezes the supervisor', async () => {
  await using killed = await worker.box();
  await breaks(killed, `${supervisor}; kill -KILL \${s#/proc/}; sleep 600`);
  await using frozen = await worker.box();
  await breaks(frozen, `${supervisor}; kill -STOP \${s#/proc/}; exit 0`);
});

it('ends the job when a step swallows the next request', async () => {
  await using box = await worker.box();
  const daemon = `${supervisor}; (setsid cat $s/fd/3 >/dev/null 2>&1 &); exit 0`;
  // What a step starts ends with it, so nothing is left to swallow anything.
  expect((await box.sh(daemon)).exit).toMatchObject({ status: 'exited', code: 0 });
  expect((await box.sh('exit 5')).exit).toEqual({ status: 'exited', code: 5 });
});

it('shows a step no file of another step', async () => {
  await using box = await worker.box();
  await box.sh('exit 0', { SECRET: 'of the first step' });
  const { text } = await box.sh('cat /run/ritmo/private/.step-* | grep -c "of the [f]irst"; ls -A /run/ritmo/private');
  expect(text).toMatch(/^0\n\.step-[0-9a-f]+\n$/);
});

it('cannot be written into from inside: the private folder is read-only', async () => {
  await using box = await worker.box();
  const { text } = await box.sh('echo x > /run/ritmo/private/x; mount -o remount,rw /run/ritmo/private; echo end');
  expect(text).toMatch(/Read-only file system/);
  expect(text).toMatch(/permission denied|Operation not permitted/i);
});

it('settles a step whose daemons hold the output open', async () => {
  await using box = await worker.box();
  const { exit, text } = await box.sh('(setsid sleep 600 &); echo said; exit 6');
  expect(exit).toMatchObject({ status: 'exited', code: 6, stragglers: 1 });
  expect(text).toBe('said\n');
});

it('tells what a step prints from what the supervisor says', async () => {
  await using box = await worker.box();
  const { exit, text } = await box.sh('echo "abc ended 0 silent"; echo "code 0" >&2; exit 9');
  expect(exit).toEqual({ status: 'exited', code: 9 });
  expect(text).toContain('abc ended 0 silent\n');
});

it('lets a step gain no rights, reach no engine and make no device', async () => {
  await using box = await worker.box();
  const { text } = await box.sh(
    'grep -E "^(NoNewPrivs|CapEff)" /proc/self/status; ls /var/run/docker.sock; mknod dev b 7 0; mount -t tmpfs x /mnt',
  );
  expect(text).toMatch(/NoNewPrivs:\s1/);
  expect(text).toMatch(/CapEff:\s00000000a00405fb|CapEff:\s0000000080042[0-9a-f]+|CapEff/);
  expect(text).toMatch(/docker\.sock: No such file/);
  expect(text).toMatch(/mknod: .*Operation not permitted/);
  expect(text).toMatch(/mount: .*(permission denied|Operation not permitted|can't find|No such)/i);
});

it('shows of the host what the policy of the operator names, and read-only unless it says otherwise', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'ritmo-bind-'));
  try {
    for (const name of ['one', 'two']) {
      await mkdir(join(folder, name));
      await writeFile(join(folder, name, 'file'), `${name}\n`);
    }
    await using bound = await Worker.open({
      binds: [
        { source: join(folder, 'one'), target: '/srv/one' },
        { source: join(folder, 'two'), access: 'read-write' },
      ],
    });
    await using box = await bound.box();
    const script = `cat /srv/one/file; echo x > /srv/one/file; echo changed > ${folder}/two/file; ls ${folder}`;
    const { text, stdout } = await box.sh(script);
    expect(stdout).toMatch(/^one$/m);
    expect(text).toContain('Read-only file system');
    expect(stdout).toMatch(/^two$/m);
    expect(await readFile(join(folder, 'two/file'), 'utf8')).toBe('changed\n');
    expect(await readFile(join(folder, 'one/file'), 'utf8')).toBe('one\n');
  } finally {
    await rm(folder, { recursive: true });
  }
  await using plain = await worker.box();
  const mounts = (await plain.sh('cut -d " " -f 2 /proc/mounts')).text.split('\n');
  const given = ['/workspace', '/run/ritmo/home', '/run/ritmo/private', '/run/ritmo/supervisor'];
  const system = /^\/(proc|sys|dev)(\/|$)|^\/etc\/(resolv.conf|hostname|hosts)$|^\/sbin\/docker-init$|^\/?$/;
  expect(mounts.filter((path) => !system.test(path)).toSorted()).toEqual(given.toSorted());
});

it('under the profile hardened runs as nobody in particular, on a read-only root, with no capability', async () => {
  await using box = await worker.box({ profile: 'hardened' });
  const { exit, text, stdout } = await box.sh(
    'id -u; grep CapEff /proc/self/status; echo x > /x; echo x > file && echo x > /tmp/file && echo x > "$HOME/file" && echo fine',
  );
  expect(Number(stdout.split('\n')[0])).toBeGreaterThanOrEqual(1_000);
  expect(stdout).toMatch(/CapEff:\s0000000000000000/);
  expect(text).toMatch(/Read-only file system/);
  expect(stdout).toMatch(/^fine$/m);
  expect(exit).toEqual({ status: 'exited', code: 0 });
});

it('stops a build that ignores SIGTERM and has sessions of its own within its grace, and runs the cleanup step', async () => {
  await using box = await worker.box();
  const step = box.start(
    "trap '' TERM; (setsid sh -c \"trap '' TERM; while :; do sleep 1; done\" &); echo ready; while :; do sleep 1; done",
    {},
    300,
  );
  await step.printed('ready');
  step.abort({ reason: 'user' });
  expect(await step.exit).toEqual({ status: 'cancelled', reason: 'user', forced: true });
  expect((await box.sh('ps | grep -c "[s]leep 1$"; exit 4')).exit).toEqual({ status: 'exited', code: 4 });
});
