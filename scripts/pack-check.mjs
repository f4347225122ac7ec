import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Run in a package's folder after its build: packs it as it would be published, and checks that tarball (not
 * the folder, whose exports point at sources) with publint and attw, and for what must and must not be in it.
 */
const { files: own } = JSON.parse(readFileSync('package.json', 'utf8'));
const named = own.filter((name) => name !== 'dist').map((name) => `|${name.replaceAll('.', '\\.')}(/.+)?`);
/** Compiled code with its types and maps, what every package has besides, and what `files` names. */
const expected = new RegExp(
  `^$|^package/(dist/.+\\.(js|js\\.map|d\\.ts)|package\\.json|README\\.md|CHANGELOG\\.md|LICENSE${named.join('')})$`,
);
const folder = mkdtempSync(join(tmpdir(), 'ritmo-pack-'));
try {
  const packed = JSON.parse(tool('pnpm', ['pack', '--json', '--pack-destination', folder]));
  const tarball = packed.filename;
  const files = tool('tar', ['-tzf', tarball]).split('\n');
  const manifest = tool('tar', ['-xzOf', tarball, 'package/package.json']);
  const problems = [
    ...['LICENSE', 'README.md']
      .filter((name) => !files.includes(`package/${name}`))
      .map((name) => `${name} is missing`),
    ...['workspace:', 'catalog:', '@ritmo/source']
      .filter((text) => manifest.includes(text))
      .map((text) => `package.json holds ${text}`),
    ...files.filter((file) => !expected.test(file)).map((file) => `${file} should not be in it`),
    ...files.filter((file) => /\.(test|spec)\.|\/test\//.test(file)).map((file) => `${file} is a test`),
  ];
  if (problems.length > 0) throw new Error(`${packed.name}: ${problems.join('; ')}`);
  tool('publint', ['run', tarball, '--strict']);
  tool('attw', [tarball, '--profile', 'esm-only', '--no-emoji']);
  process.stdout.write(`${packed.name}: ${packed.files.length} files, publint and attw are content\n`);
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function tool(command, args) {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  if (error) throw error;
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}\n${stdout}${stderr}`);
  return stdout;
}
