import { closeSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { debianKernelPackage } from '../../tests/support/kernel-package.js';
import { findKernel } from '../../packages/executor-vm/src/guest/kernel.js';
import { openMachine } from '../../packages/executor-vm/src/machine/factory.js';
import { machineMemoryMiB } from '../../packages/executor-vm/src/machine/settings.js';
import { requireTools } from '../../packages/executor-vm/src/requirements.js';
import { bootFiles } from '../../packages/executor-vm/src/template/boot-files.js';
import { openState, Templates } from '../../packages/executor-vm/src/template/templates.js';
import { best, median, ms, never, print } from './support.js';

/** Machines by themselves, without a job: restored from the template of the cache, seeded; and booted, beside it. */
export async function restores(cacheDir: string, memoryBytes: number, rounds: number): Promise<void> {
  const tools = await requireTools();
  const boot = await bootFiles(cacheDir, findKernel(debianKernelPackage().tree, ''), tools.busybox);
  const host = { tools, boot, qemuIdentity: tools.qemuIdentity };
  const hardware = { memoryMiB: machineMemoryMiB(memoryBytes), cpus: 1, accelerator: 'tcg' } as const;
  const mark = `RITMO_VM=bench/${process.pid}`;
  const nothing = () => undefined;
  const log = { child: () => log, debug: nothing, info: nothing, warn: nothing, error: nothing };
  const withUser: ConstructorParameters<typeof Templates>[0]['withUser'] = (work) => work(undefined, undefined);
  await using templates = new Templates({ host, cacheDir, bootTimeoutMs: 60_000, mark, log, withUser });
  const template = await templates.get(hardware, never(), nothing);
  if (template === undefined) throw new Error('no template can be had here');
  const path = join(cacheDir, 'empty');
  writeFileSync(path, Buffer.alloc(2 ** 20));
  const [restored, seeded, booted]: [number[], number[], number[]] = [[], [], []];
  const files = () => ({ image: openSync(path, 'r'), disk: openSync(path, 'r+') });
  const shape = { hardware, imageFormat: 'raw', network: 'none' } as const;
  for (let i = 0; i < rounds; i++) {
    const own = { ...files(), state: openState(template) };
    const from = performance.now();
    await using machine = openMachine(host, {
      shape: { ...shape, memory: 'template' },
      files: { ...own, memory: template.memory },
      user: undefined,
      mark,
    });
    for (const fd of Object.values(own)) closeSync(fd);
    await machine.restore(never());
    restored.push(performance.now() - from);
    await machine.refresh({ now: Date.now }, never());
    seeded.push(performance.now() - from);
  }
  for (let i = 0; i < 2; i++) {
    const own = files();
    const from = performance.now();
    await using machine = openMachine(host, {
      shape: { ...shape, memory: 'anonymous' },
      files: own,
      user: undefined,
      mark,
    });
    for (const fd of Object.values(own)) closeSync(fd);
    await machine.boot(never(), 60_000);
    booted.push(performance.now() - from);
  }
  rmSync(path);
  print('a machine by itself: restored, and answers', ms(median(restored)), `${best(restored)}; aim 150`);
  print('  and has its seed and the time', ms(median(seeded)), best(seeded));
  print('  booted instead, and answers', ms(median(booted)), best(booted));
}
