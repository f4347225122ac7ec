import { debianKernelPackage } from '../../../../tests/support/kernel-package.js';
import { Workbench as Bench } from '../../../../tests/support/workbench.js';
import { vmExecutor, type VmExecutorOptions } from '../../src/index.js';
import { busyboxTar, cacheDir, imageName } from './image.js';

export { hostIn, outputScope, scope, sh } from '../../../../tests/support/workbench.js';

/** Options of the tests: a small image, the kernel of Debian, no Docker. */
export function testOptions(over: VmExecutorOptions = {}): VmExecutorOptions {
  return {
    kernel: debianKernelPackage().tree,
    cacheDir,
    docker: 'none',
    images: { [imageName]: { tar: busyboxTar() } },
    defaultImage: imageName,
    memoryBytes: 512 * 1024 * 1024,
    ...over,
  };
}

/** One open vm executor in a folder of its own, and sandboxes of it. */
export type Workbench = Bench;
export const Workbench = { open: (options: VmExecutorOptions = {}) => Bench.open(vmExecutor(testOptions(options))) };
