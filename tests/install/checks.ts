import { execa } from 'execa';
import { lstatSync, readdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { root } from '../support/workspace.js';
import { type Consumer, entries, type PackageManager, runNode } from './consumer.js';

/** Imports and requires every entry of our packages; what each gave, by its name. `requires` false leaves that out. */
export async function loadEntries(
  consumer: Consumer,
  manager: PackageManager,
  requires = true,
): Promise<{ readonly imported: Loaded; readonly required: Loaded }> {
  const names = JSON.stringify(entries);
  // `describe` and `it` of vitest exist in its runner only.
  const skipped = "(error) => error.message.includes('Vitest') ? ['vitest'] : Promise.reject(error)";
  await writeFile(
    join(consumer.folder, 'import.mjs'),
    `const found = {};
for (const name of ${names}) found[name] = await import(name).then(Object.keys).catch(${skipped});
console.log(JSON.stringify(found));\n`,
  );
  await writeFile(
    join(consumer.folder, 'require.cjs'),
    `const found = {};
for (const name of ${names}) {
  try { found[name] = Object.keys(require(name)); }
  catch (error) { if (!error.message.includes('Vitest')) throw error; found[name] = ['vitest']; }
}
console.log(JSON.stringify(found));\n`,
  );
  const run = async (file: string) => JSON.parse(await runNode(consumer, manager, file)) as Loaded;
  return { imported: await run('./import.mjs'), required: requires ? await run('./require.cjs') : {} };
}

type Loaded = Readonly<Record<string, readonly string[]>>;

/** What the compiler says of a program that uses every entry, with all our declarations checked. */
export async function typeProblems(consumer: Consumer, resolution: 'nodenext' | 'bundler'): Promise<readonly string[]> {
  const source = entries.map((name, index) => `import * as entry${index} from '${name}';\nvoid entry${index};\n`);
  await writeFile(join(consumer.folder, 'types.mts'), source.join(''));
  const compilerOptions = {
    target: 'es2023',
    lib: ['es2023', 'esnext.disposable'],
    module: resolution === 'bundler' ? 'esnext' : 'nodenext',
    moduleResolution: resolution,
    strict: true,
    noEmit: true,
    types: ['node'],
    // Declarations of others are not ours to mend: their problems are left out below.
    skipLibCheck: false,
  };
  const config = join(consumer.folder, `tsconfig.${resolution}.json`);
  await writeFile(config, JSON.stringify({ compilerOptions, files: ['types.mts'] }));
  const { stdout } = await execa(join(root, 'node_modules', '.bin', 'tsc'), ['-p', config, '--pretty', 'false'], {
    cwd: consumer.folder,
    reject: false,
  });
  return stdout.split('\n').filter((line) => /error TS/.test(line) && /^types\.mts|^error|@ritmo/.test(line));
}

/** Bytes of all files below a folder. */
export function bytesBelow(folder: string): number {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => lstatSync(join(folder, name)))
    .filter((stat) => stat.isFile())
    .reduce((sum, { size }) => sum + size, 0);
}
