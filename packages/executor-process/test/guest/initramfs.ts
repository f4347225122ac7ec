import { execFileSync } from 'node:child_process';
import { readFileSync, realpathSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { findProgram } from '@ritmo/host-linux';

interface Item {
  readonly path: string;
  readonly mode: number;
  readonly data: Buffer;
}

const folder = (path: string): Item => ({ path, mode: 0o40755, data: Buffer.alloc(0) });
const link = (path: string, target: string): Item => ({ path, mode: 0o120777, data: Buffer.from(target) });

const init = `#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
exec >/dev/ttyS0 2>&1 </dev/ttyS0
if [ "$1" != moved ]; then
  # The first root can be no one's old root, which bubblewrap needs.
  /bin/busybox mount -t tmpfs -o size=600m root /new
  /bin/busybox cp -a /bin /lib /lib64 /usr /etc /init /guest.mjs /dev /proc /sys /tmp /run /new/
  exec /bin/busybox switch_root -c /dev/ttyS0 /new /init moved
fi
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t cgroup2 groups /sys/fs/cgroup
/bin/busybox chmod 1777 /tmp
/bin/busybox ip link set lo up
cd /; PATH=/usr/bin:/bin TMPDIR=/tmp /usr/bin/node /guest.mjs
echo GUEST-END
/bin/busybox poweroff -f
`;

/** A whole system for one script, as a newc archive: programs of this host with their libraries, and an init. */
export function makeInitramfs(programs: readonly string[], script: string): Buffer {
  const files = new Map<string, Item>();
  const add = (path: string, source: string, mode = 0o100755) =>
    files.set(path, { path, mode, data: readFileSync(source) });
  for (const name of programs) {
    const source = realpathSync(name === 'node' ? process.execPath : (findProgram(name) ?? name));
    add(`usr/bin/${basename(name)}`, source);
    for (const library of librariesOf(source)) add(library.replace(/^\/(usr\/)?/, 'usr/'), library);
  }
  const folders = new Set<string>();
  for (const path of files.keys()) {
    for (let at = path.indexOf('/'); at > 0; at = path.indexOf('/', at + 1)) folders.add(path.slice(0, at));
  }
  const plain = ['dev', 'proc', 'sys', 'tmp', 'run', 'new', 'etc'].map(folder);
  const links = [link('bin', 'usr/bin'), link('lib', 'usr/lib'), link('lib64', 'usr/lib64')];
  return archive([
    ...plain,
    ...links,
    ...[...folders].map(folder),
    ...files.values(),
    { path: 'init', mode: 0o100755, data: Buffer.from(init) },
    { path: 'guest.mjs', mode: 0o100644, data: readFileSync(script) },
  ]);
}

function librariesOf(program: string): string[] {
  let text: string;
  try {
    text = execFileSync('ldd', [program], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  } catch {
    return [];
  }
  const paths = text.match(/\/[^\s()]+/g) ?? [];
  return paths.filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile());
}

function archive(items: readonly Item[]): Buffer {
  const parts = items.flatMap((item, index) => entry(item, index + 1));
  return Buffer.concat([...parts, ...entry({ path: 'TRAILER!!!', mode: 0, data: Buffer.alloc(0) }, 0)]);
}

function entry({ path, mode, data }: Item, inode: number): Buffer[] {
  const name = Buffer.from(`${path}\0`);
  const fields = [inode, mode, 0, 0, 1, 0, data.length, 0, 0, 0, 0, name.length, 0];
  const header = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`;
  return [Buffer.from(header), name, padding(header.length + name.length), data, padding(data.length)];
}

const padding = (length: number) => Buffer.alloc((4 - (length % 4)) % 4);
