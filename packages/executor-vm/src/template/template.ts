import { createHash, randomUUID } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { RitmoError } from '@ritmo/agent-core/executor';
import type { Owner } from '@ritmo/host-linux';
import { type MachineHost, openMachine } from '../machine/factory.js';
import { type Hardware, machineArgs, machinePaths, type MachineShape } from '../machine/settings.js';
import { assertRoom } from '../cache-folder.js';
import { removeUnused } from '../unused.js';
import { moveInto } from './boot-files.js';

/** A machine that was saved when it had just said hello: the files of its memory and of the rest. No secret is in it. */
export interface Template {
  readonly memory: string;
  readonly state: string;
}

export interface TemplateRequest {
  readonly host: MachineHost;
  readonly cacheDir: string;
  readonly hardware: Hardware;
  readonly user: Owner | undefined;
  readonly kvmNode: string | undefined;
  readonly mark: string;
  readonly bootTimeoutMs: number;
  readonly signal: AbortSignal;
}

const mebibyte = 1024 * 1024;
const saveMs = 60_000;
/** What a machine that has just come up has written to its memory, and more. */
const templateBytes = 256 * mebibyte;

/** Where the template for this hardware lies, whether it was made yet or not. */
export function templateFolder({
  host,
  cacheDir,
  hardware,
}: Pick<TemplateRequest, 'host' | 'cacheDir' | 'hardware'>): string {
  const args = machineArgs(shapeOf(hardware));
  const parts = [host.qemuIdentity, host.boot.id, JSON.stringify(args), process.arch];
  return join(cacheDir, 'templates', createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 24));
}

/** The template for this hardware; boots a machine and saves it where there is none yet. */
export async function ensureTemplate(request: TemplateRequest): Promise<Template> {
  const folder = templateFolder(request);
  const template = { memory: join(folder, 'memory'), state: join(folder, 'state') };
  if (existsSync(folder)) return template;
  removeUnused(join(request.cacheDir, 'templates'), Date.now());
  assertRoom(join(request.cacheDir, 'templates'), templateBytes);
  const fresh = `${folder}.${randomUUID()}`;
  mkdirSync(fresh, { recursive: true, mode: 0o711 });
  try {
    chmodSync(fresh, 0o711);
    await make(request, fresh);
    moveInto(fresh, folder);
    return template;
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

async function make(request: TemplateRequest, folder: string): Promise<void> {
  const { hardware, user, host } = request;
  const memory = join(folder, 'memory');
  const state = join(folder, 'state');
  const own = (path: string, bytes: number) => {
    const fd = openSync(path, 'wx+', 0o600);
    ftruncateSync(fd, bytes);
    if (user !== undefined) chownSync(path, user.uid, user.gid);
    return fd;
  };
  writeFileSync(join(folder, 'hardware.json'), JSON.stringify({ ...hardware, qemu: host.qemuIdentity }), {
    mode: 0o444,
  });
  const opened = own(memory, hardware.memoryMiB * mebibyte);
  closeSync(own(state, 0));
  try {
    await using machine = openMachine(host, {
      shape: shapeOf(hardware),
      files: { memory: opened },
      user,
      kvmNode: request.kvmNode,
      saveTo: state,
      mark: request.mark,
    });
    await machine.boot(request.signal, request.bootTimeoutMs);
    const capabilities = [{ capability: 'x-ignore-shared', state: true }];
    await machine.monitor.run('migrate-set-capabilities', { capabilities });
    // Not stopped before: a clone would stay so.
    await machine.monitor.run('migrate', { uri: `exec:cat >${machinePaths.state}` });
    await saved(machine.monitor, request.signal);
  } finally {
    closeSync(opened);
  }
  for (const path of [memory, state]) {
    if (user !== undefined) chownSync(path, 0, 0);
    chmodSync(path, 0o400);
  }
  if (statSync(state).size === 0) throw failed('its state is empty');
}

async function saved(monitor: { run(name: string): Promise<unknown> }, signal: AbortSignal): Promise<void> {
  const until = performance.now() + saveMs;
  for (;;) {
    const { status } = (await monitor.run('query-migrate')) as { status?: string };
    if (status === 'completed') return;
    if (status === 'failed' || status === 'cancelled' || performance.now() > until)
      throw failed(`saving it: ${status}`);
    await sleep(5, undefined, { signal });
  }
}

const shapeOf = (hardware: Hardware): MachineShape => ({
  hardware,
  memory: 'own',
  imageFormat: 'raw',
  network: 'none',
});

const failed = (why: string) => new RitmoError('RITMO_EXECUTOR_UNAVAILABLE', `The template could not be made: ${why}.`);
