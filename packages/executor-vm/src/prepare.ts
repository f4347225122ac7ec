import { randomUUID } from 'node:crypto';
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RitmoError, type Logger } from '@ritmo/agent-core/executor';
import { UserPool } from '@ritmo/host-linux';
import { chooseAccelerator } from './accelerator/choose.js';
import { openCache } from './cache-folder.js';
import { findKernel } from './guest/kernel.js';
import { keepKernelPackage } from './guest/kernel-package.js';
import { helperUsers } from './helper-users.js';
import { Images } from './image/images.js';
import type { MachineHost } from './machine/factory.js';
import { machineMemoryMiB } from './machine/settings.js';
import { optionsSchema, type VmExecutorOptions } from './options.js';
import { requireTools } from './requirements.js';
import { bootFiles } from './template/boot-files.js';
import { ensureTemplate, templateFolder } from './template/template.js';

/** What is prepared, and who is told. */
export interface PrepareRequest {
  /** As the worker has them: what they name is prepared. */
  readonly options: VmExecutorOptions;
  /** A kernel package to keep in the cache: a .deb, or a folder in which one is unpacked. It is not installed. */
  readonly kernelPackage?: string;
  /** Where warnings go. */
  readonly log: Logger;
  /** Told what was done, a sentence each. */
  readonly say: (sentence: string) => void;
}

/**
 * Makes all that the first job would have to wait for: unpacks the kernel, tries the accelerator, boots and saves the
 * template, and makes the root filesystems that the operator names. Fetches nothing.
 * @throws RITMO_USAGE, RITMO_EXECUTOR_UNAVAILABLE
 */
export async function prepareVm({ options: given, kernelPackage, log, say }: PrepareRequest): Promise<void> {
  const parsed = optionsSchema.safeParse(given);
  if (!parsed.success)
    throw new RitmoError('RITMO_USAGE', `Options of the vm executor are wrong: ${parsed.error.message}`);
  const options = parsed.data;
  const tools = await requireTools();
  say(
    `QEMU ${tools.qemuVersion}, bubblewrap, busybox and mke2fs are there${tools.squash === undefined ? '; squashfs-tools are not' : ''}.`,
  );
  const cacheDir = openCache(options);
  if (kernelPackage !== undefined) {
    if (options.kernel !== undefined)
      throw new RitmoError('RITMO_USAGE', 'Machines boot what `kernel` of the options names, not a kernel package.', {
        hint: 'Give a package or set `kernel`, and not both.',
      });
    const place = join(cacheDir, 'kernel');
    await keepKernelPackage(kernelPackage, place);
    say(`Unpacked ${kernelPackage} to ${place}.`);
  }
  const kernel = findKernel(options.kernel, join(cacheDir, 'kernel'));
  const boot = await bootFiles(cacheDir, kernel, tools.busybox);
  say(`Machines boot ${kernel.image}, with the modules in ${kernel.modules}.`);
  const machines: MachineHost = { tools, boot, qemuIdentity: tools.qemuIdentity };
  const instance = mkdtempSync(join(tmpdir(), 'ritmo-vm-'));
  const users = new UserPool(options.uidBase);
  try {
    chmodSync(instance, 0o711);
    const mark = `RITMO_VM=prepare/${randomUUID()}`;
    const withUser = helperUsers(users, instance);
    const { accelerator, why } = await chooseAccelerator({
      host: machines,
      cacheDir,
      instance,
      wanted: options.accelerator,
      withUser,
      mark,
    });
    say(`${accelerator === 'kvm' ? 'KVM' : 'Software emulation'}: ${why}.`);
    const hardware = { memoryMiB: machineMemoryMiB(options.memoryBytes), cpus: options.cpus, accelerator };
    const place = { host: machines, cacheDir, hardware, bootTimeoutMs: options.bootTimeoutMs };
    const there = existsSync(templateFolder(place));
    if (!there) say('Making a template: a machine boots and is saved, which takes minutes where it is emulated.');
    await withUser((user, kvmNode) =>
      ensureTemplate({ ...place, user, kvmNode, mark, signal: new AbortController().signal }),
    );
    say(
      `${there ? 'There is a template' : 'Made a template'} of a machine with ${hardware.memoryMiB} MiB: ${templateFolder(place)}.`,
    );
    const squash = tools.squash === undefined ? undefined : { tools: tools.squash, mark };
    const images = new Images({ options, cacheDir, squash, withUser });
    for (const reference of Object.keys(options.images)) {
      const scope = { signal: new AbortController().signal, progress: () => undefined };
      const { path } = await images.ensure({ reference, pull: ['never'] }, scope);
      say(`The root filesystem of ${reference} is ${path}.`);
    }
    log.debug({ cacheDir, accelerator }, 'Prepared the vm executor');
  } finally {
    await users[Symbol.asyncDispose]();
    rmSync(instance, { recursive: true, force: true });
  }
}
