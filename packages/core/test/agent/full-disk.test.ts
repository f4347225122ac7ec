import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { agentFixture } from '../support/agent-fixture.js';

it('a journal that cannot be written any more costs a running build nothing: the server is told of its end', async () => {
  const { agent, server, stateDir } = await agentFixture();
  await agent.start();
  const journal = join(stateDir, 'journal');
  // Stands for a disk without room: every write fails.
  const broken = new Promise<void>((resolve, reject) => {
    agent.on('step:started', () => {
      rename(journal, `${journal}.away`)
        .then(() => writeFile(journal, ''))
        .then(resolve, reject);
    });
  });
  const job = server.submit({ name: 'one', steps: [{ run: 'hang', timeout: 300 }] });
  await broken;
  expect(await job.finished).toMatchObject({ outcome: 'timed_out', log: { length: expect.any(Number) } });
});
