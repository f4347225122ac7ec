import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { decompress } from './decompress.js';

/** A kernel module that is ready to be loaded. */
export interface KernelModule {
  readonly name: string;
  readonly data: Buffer;
}

interface Known {
  readonly path: string;
  module?: { readonly data: Buffer; readonly needs: readonly string[] };
}

/**
 * Modules by name with all that they need, in the order in which they must be loaded. `folder` is that of a kernel
 * package (`lib/modules/VERSION`), which knows no order before depmod has run. Names that are not there are built into
 * the kernel, or missing: loading tells.
 */
export async function modulesWithNeeds(folder: string, names: readonly string[]): Promise<KernelModule[]> {
  const known = indexOf(folder);
  const found = new Map<string, Buffer>();
  const add = async (name: string): Promise<void> => {
    const entry = known.get(name.replaceAll('-', '_'));
    if (entry === undefined || found.has(name)) return;
    if (entry.module === undefined) {
      const data = await decompress(readFileSync(entry.path));
      entry.module = { data, needs: needsOf(data) };
    }
    for (const need of entry.module.needs) await add(need);
    found.set(name.replaceAll('-', '_'), entry.module.data);
  };
  for (const name of names) await add(name);
  return [...found].map(([name, data]) => ({ name, data }));
}

function indexOf(folder: string): Map<string, Known> {
  const known = new Map<string, Known>();
  for (const entry of readdirSync(join(folder, 'kernel'), { recursive: true, encoding: 'utf8' })) {
    const name = /([^/]+)\.ko(?:\.(?:gz|xz|zst))?$/.exec(entry)?.[1];
    if (name !== undefined) known.set(name.replaceAll('-', '_'), { path: join(folder, 'kernel', entry) });
  }
  return known;
}

/** What the section `.modinfo` says under `depends`. */
function needsOf(module: Buffer): string[] {
  const text = section(module, '.modinfo')?.toString('latin1') ?? '';
  const depends = text.split('\0').find((line) => line.startsWith('depends='));
  return (depends?.slice('depends='.length) ?? '').split(',').filter(Boolean);
}

function section(file: Buffer, name: string): Buffer | undefined {
  if (file.length < 64 || file.readUInt32BE(0) !== 0x7f454c46) return undefined;
  const table = Number(file.readBigUInt64LE(40));
  const size = file.readUInt16LE(58);
  const count = file.readUInt16LE(60);
  const at = (index: number) => {
    const header = file.subarray(table + index * size);
    const offset = Number(header.readBigUInt64LE(24));
    return { name: header.readUInt32LE(0), data: file.subarray(offset, offset + Number(header.readBigUInt64LE(32))) };
  };
  const names = at(file.readUInt16LE(62)).data;
  for (let index = 0; index < count; index++) {
    const found = at(index);
    const end = names.indexOf(0, found.name);
    if (names.toString('latin1', found.name, end) === name) return found.data;
  }
  return undefined;
}
