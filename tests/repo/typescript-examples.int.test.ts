import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { markdownFiles, readMarkdown } from '../support/markdown.js';
import { runProgram } from '../support/program.js';
import { root, shown } from '../support/workspace.js';

/** Examples are whole modules; other blocks of TypeScript show a piece of a type. */
const examples = markdownFiles().flatMap((file) =>
  readMarkdown(file)
    .blocks.filter(({ language, text }) => language === 'ts' && text.startsWith('import '))
    .map(({ text, line }) => ({ place: `${shown(file)}:${line}`, text })),
);

it('compiles every TypeScript example of the Markdown pages against the packages', async () => {
  expect(examples.length).toBeGreaterThan(2);
  // Below node_modules of the root, so that the packages are found from there.
  const cache = join(root, 'node_modules', '.cache');
  await mkdir(cache, { recursive: true });
  const folder = await mkdtemp(join(cache, 'ritmo-examples-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const names = new Map(examples.map((example, index) => [`example-${index}.mts`, example]));
  await Promise.all([...names].map(([name, { text }]) => writeFile(join(folder, name), text)));
  const config = {
    extends: join(root, 'tsconfig.base.json'),
    compilerOptions: { noEmit: true, noUnusedLocals: false, typeRoots: [join(root, 'node_modules', '@types')] },
    include: ['*.mts'],
  };
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(config));
  const { stdout } = await runProgram([join(root, 'node_modules', '.bin', 'tsc'), '-p', folder, '--pretty', 'false'], {
    cwd: folder,
  });
  const problems = stdout.split('\n').filter((line) => line.startsWith('example-'));
  expect(problems.map((line) => line.replace(/^example-\d+\.mts/, (name) => names.get(name)?.place ?? name))).toEqual(
    [],
  );
});
