import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { expect, it } from 'vitest';
import { agentArgv } from '../support/agent.js';
import { stateFolder } from '../support/cluster.js';
import { freePort } from '../support/free-port.js';
import { readMarkdown } from '../support/markdown.js';
import { runProgram, startProgram } from '../support/program.js';
import { root } from '../support/workspace.js';

/** A guide, and a folder in which its shell blocks can be run as they stand: `ritmo-agent` is that of the sources. */
async function openGuide(name: string) {
  const page = join(root, 'docs', 'guides', name);
  const { blocks } = readMarkdown(page);
  const lines = (await readFile(page, 'utf8')).split('\n');
  const folder = join(await stateFolder(), 'reader');
  const bin = join(folder, 'bin');
  await mkdir(bin, { recursive: true });
  const argv = agentArgv().map((word) => `'${word}'`);
  await writeFile(join(bin, 'ritmo-agent'), `#!/bin/sh\nexec ${argv.join(' ')} "$@"\n`, { mode: 0o755 });
  // "Write `hello.yaml`:" stands before a block that is a file.
  for (const { text, line } of blocks) {
    const file = /Write `([\w.-]+)`/.exec(lines.slice(Math.max(0, line - 3), line).join(' '))?.[1];
    if (file !== undefined) await writeFile(join(folder, file), `${text}\n`);
  }
  const port = String(await freePort());
  const env = {
    PATH: [bin, process.env['PATH'] ?? ''].join(delimiter),
    HOME: folder,
    RITMO_LISTEN_PORT: port,
    RITMO_API_SERVER: `localhost:${port}`,
    RITMO_DATA_DIR: join(folder, 'data'),
    RITMO_STATE_DIR: join(folder, 'state'),
  };
  const script = (words: string) => {
    const found = blocks.filter(({ language, text }) => language === 'sh' && text.includes(words));
    expect(
      found.map(({ text }) => text),
      `one block with ${words}`,
    ).toHaveLength(1);
    return `exec ${found[0]?.text ?? ''}`.replace(/^exec (?=.*\n)/s, '');
  };
  return {
    folder,
    run: (words: string) => runProgram(['bash', '-euc', script(words)], { cwd: folder, env }),
    start: (words: string) => startProgram(['bash', '-euc', script(words)], { cwd: folder, env }),
  };
}

it('the guide of the first worker works as it stands', async () => {
  const guide = await openGuide('first-worker.md');
  const server = guide.start('ritmo-agent api-server');
  await server.stderr.waitFor(/http:\/\//);
  const doctor = await guide.run('ritmo-agent doctor');
  expect(doctor.exitCode, doctor.stdout + doctor.stderr).toBe(0);
  const worker = guide.start('--label zone=desk');
  await worker.stderr.waitFor(/takes jobs/);

  const submitted = await guide.run('ritmo-agent submit hello.yaml');
  expect(submitted.exitCode, submitted.stdout + submitted.stderr).toBe(0);
  expect(submitted.stdout).toContain('hello, world');
  const here = await guide.run('ritmo-agent exec hello.yaml');
  expect(here.exitCode, here.stdout + here.stderr).toBe(0);
  expect(here.stdout).toContain('hello, world');
  expect(here.stderr).toContain('artifacts: 1 file in out/');

  worker.kill('SIGTERM');
  expect((await worker.ended).exitCode).toBe(0);
  server.kill('SIGTERM');
  await server.ended;
});
