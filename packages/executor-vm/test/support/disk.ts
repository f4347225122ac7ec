import { execFileSync } from 'node:child_process';
import { closeSync, ftruncateSync, openSync } from 'node:fs';
import { findProgram } from '@ritmo/host-linux';

const mke2fs = findProgram('mke2fs') ?? '/usr/sbin/mke2fs';

export interface DiskOptions {
  readonly bytes?: number;
  readonly blockBytes?: number;
  readonly inodeBytes?: number;
  /** As `mke2fs -O` takes them. */
  readonly features?: string;
}

/** Makes a disk as jobs have it, or with other features, and fills it from a folder. */
export function makeDisk(path: string, content: string, options: DiskOptions = {}): void {
  const { bytes = 32 * 2 ** 20, blockBytes = 4096, inodeBytes = 256 } = options;
  const { features = '^has_journal,^metadata_csum,uninit_bg,^resize_inode' } = options;
  const fd = openSync(path, 'wx');
  ftruncateSync(fd, bytes);
  closeSync(fd);
  const sizes = ['-b', String(blockBytes), '-I', String(inodeBytes)];
  execFileSync(mke2fs, ['-q', '-F', '-t', 'ext4', '-O', features, ...sizes, '-d', content, path], { stdio: 'pipe' });
}
