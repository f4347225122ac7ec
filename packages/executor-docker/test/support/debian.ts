import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, lstatSync, readFileSync, realpathSync } from 'node:fs';
import { chmod, cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { findDaemon } from '../../src/docker/address.js';

const run = promisify(execFile);
const database = '/var/lib/dpkg';
/** What builds in the image are about; the essential packages and all that these need come with them. */
const wanted = ['apt', 'gcc', 'libc6-dev', 'git'];
/** Nothing that a program needs, and large. */
const leftOut = /^\/usr\/share\/(doc|man|locale|info|lintian|i18n|zoneinfo)\/|\/lto1$|\/lib(asan|tsan|ubsan|lsan)/;

interface Package {
  /** As dpkg names its files: with the architecture for some. */
  readonly name: string;
  readonly version: string;
  readonly needs: readonly string[];
}

/**
 * A Debian system as an image, of packages of this host as dpkg lists them: no download, and no part of the host that
 * is not in a package. Made where the daemon does not have it; a host with other packages makes another.
 */
export async function makeDebianImage(): Promise<string> {
  const packages = await chosenPackages();
  const versions = packages.map(({ name, version }) => `${name} ${version}`).toSorted();
  const tag = createHash('sha256')
    .update(JSON.stringify([versions, leftOut.source]))
    .digest('hex')
    .slice(0, 12);
  const image = `ritmo-test/debian:${tag}`;
  const { client } = await findDaemon(undefined);
  if ((await client.inspectImage(image)) !== undefined) return image;
  const root = await mkdtemp(join(tmpdir(), 'ritmo-debian-'));
  try {
    await chmod(root, 0o755);
    await makeOwnFiles(root, packages);
    await importInto(image, root, filesOf(packages));
    return image;
  } finally {
    await rm(root, { recursive: true });
  }
}

async function chosenPackages(): Promise<Package[]> {
  const fields = ['${binary:Package}', '${Version}', '${Pre-Depends}, ${Depends}', '${Provides}', '${Essential}'];
  const { stdout } = await run('dpkg-query', ['-W', '-f', `${fields.join('\\t')}\\t\${db:Status-Abbrev}\\n`], {
    maxBuffer: 64 * 2 ** 20,
  });
  const known = new Map<string, Package>();
  const provided = new Map<string, string>();
  const todo = [...wanted];
  for (const line of stdout.split('\n')) {
    const [name = '', version = '', needs = '', provides = '', essential, status] = line.split('\t');
    if (status?.startsWith('ii') !== true) continue;
    const bare = name.split(':')[0] ?? '';
    known.set(bare, { name, version, needs: needs.split(',') });
    for (const each of namesIn(provides.split(','))) provided.set(each[0] ?? '', bare);
    if (essential === 'yes') todo.push(bare);
  }
  const chosen = new Map<string, Package>();
  for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
    const found = known.get(next);
    if (found === undefined) throw new Error(`The package ${next} is not installed: apt-get install ${next}`);
    if (chosen.has(next)) continue;
    chosen.set(next, found);
    for (const alternatives of namesIn(found.needs)) {
      const have = alternatives.map((each) => (known.has(each) ? each : provided.get(each)));
      const first = have.find((each) => each !== undefined);
      if (first !== undefined) todo.push(first);
    }
  }
  return [...chosen.values()];
}

/** Names of packages in a relation (`a (>= 1) | b:any`), the alternatives of each together. */
function namesIn(relations: readonly string[]): string[][] {
  return relations.map((each) => each.split('|').map((one) => one.trim().split(/[ :(]/)[0] ?? ''));
}

/** Absolute, with the folders that are links resolved, as they are in a system whose /bin is /usr/bin. */
function filesOf(packages: readonly Package[]): string[] {
  const found = new Set<string>();
  for (const { name } of packages) {
    for (const path of readFileSync(`${database}/info/${name}.list`, 'utf8').split('\n')) {
      if (path === '' || path === '/.' || leftOut.test(path) || !existsSync(dirname(path))) continue;
      const real = join(realpathSync(dirname(path)), basename(path));
      if (lstatSync(real, { throwIfNoEntry: false }) === undefined) continue;
      if (!isTopLink(real)) found.add(real);
    }
  }
  return [...found].toSorted();
}

const topLinks = ['/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32'];
const isTopLink = (path: string) => topLinks.includes(path) && lstatSync(path).isSymbolicLink();

/** What packages make when they are installed: accounts, links, and the database of what is installed. */
async function makeOwnFiles(root: string, packages: readonly Package[]): Promise<void> {
  for (const folder of [
    'etc/apt/apt.conf.d',
    'root',
    'proc',
    'sys',
    'dev',
    'var/lib/dpkg/info',
    'var/lib/dpkg/updates',
  ]) {
    await mkdir(join(root, folder), { recursive: true });
  }
  for (const path of topLinks.filter((each) => existsSync(each) && isTopLink(each))) {
    await symlink(`usr${path}`, join(root, path));
  }
  await writeFile(
    join(root, 'etc/passwd'),
    'root:x:0:0:root:/root:/bin/bash\n_apt:x:100:65534::/nonexistent:/usr/sbin/nologin\nnobody:x:65534:65534::/:/bin/false\n',
  );
  await writeFile(join(root, 'etc/group'), 'root:x:0:\nnogroup:x:65534:\n');
  await cp('/etc/alternatives', join(root, 'etc/alternatives'), { recursive: true, verbatimSymlinks: true });
  await cp('/etc/ld.so.cache', join(root, 'etc/ld.so.cache'));
  const names = new Set(packages.map(({ name }) => name.split(':')[0]));
  const status = readFileSync(`${database}/status`, 'utf8').split('\n\n');
  const kept = status.filter((entry) => names.has(/^Package: (.*)$/m.exec(entry)?.[1] ?? ''));
  await writeFile(join(root, 'var/lib/dpkg/status'), `${kept.join('\n\n')}\n`);
  for (const { name } of packages)
    await cp(`${database}/info/${name}.list`, join(root, `var/lib/dpkg/info/${name}.list`));
  for (const name of ['awk', 'which', 'pager']) {
    const path = `/usr/bin/${name}`;
    if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() !== true) continue;
    await mkdir(join(root, 'usr/bin'), { recursive: true });
    await symlink(`/etc/alternatives/${name}`, join(root, path)).catch(() => undefined);
  }
}

/** What is in `root`, then the files of the host; the daemon reads it as it comes. */
async function importInto(image: string, root: string, files: readonly string[]): Promise<void> {
  const list = join(root, '../', `${basename(root)}.list`);
  // The daemon takes no name twice.
  const others = files.filter((path) => lstatSync(join(root, path), { throwIfNoEntry: false }) === undefined);
  await writeFile(list, others.map((path) => `.${path}\n`).join(''));
  try {
    const tar = spawn('tar', ['-c', '--numeric-owner', '-C', root, '.', '-C', '/', '--no-recursion', '-T', list], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const [repository = '', tag = ''] = image.split(':');
    const said: Buffer[] = [];
    tar.stderr.on('data', (chunk: Buffer) => said.push(chunk));
    const ended = once(tar, 'close');
    const { client } = await findDaemon(undefined);
    await client.importImage(tar.stdout, repository, tag);
    const [code] = (await ended) as [number];
    if (code !== 0) throw new Error(Buffer.concat(said).toString());
  } finally {
    await rm(list);
  }
}
