import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { debianKernelPackage } from '../../../../tests/support/kernel-package.js';

/** The image of a kernel as Debian builds it. */
export function debianKernel(): string {
  const folder = join(debianKernelPackage().tree, 'boot');
  const name = readdirSync(folder).find((file) => file.startsWith('vmlinuz'));
  if (name === undefined) throw new Error(`there is no kernel in ${folder}`);
  return join(folder, name);
}
