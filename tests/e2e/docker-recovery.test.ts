import { setTimeout as delay } from 'node:timers/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runAgent } from '../support/agent.js';
import { startServer } from '../support/cluster.js';
import { countedLine, countingScript, dockerLab, MortalWorker } from '../support/docker-worker.js';
import { namesIn } from '../support/witness.js';
import { brokenLines } from '../support/broken-lines.js';

/** How often the agent is killed in one build; RITMO_KILL_ROUNDS=50 is the whole run. */
const kills = Number(process.env['RITMO_KILL_ROUNDS'] ?? 4);

describe('a build in a container', () => {
  it(
    'goes on when its agent is killed again and again, with every loss marked and none larger than allowed',
    async () => {
      const lab = await dockerLab();
      const server = await startServer({ heartbeatMs: 500 });
      const worker = await MortalWorker.start(server, lab);
      const id = await server.submit(
        {
          name: 'immortal',
          image: { reference: lab.image, pull: ['never'] },
          secrets: [{ name: 'TOKEN' }],
          steps: [
            { name: 'print', run: countingScript },
            { name: 'use', run: 'echo "token $TOKEN"; test "$TOKEN" = very-secret-value; exit 0' },
          ],
        },
        { TOKEN: 'very-secret-value' },
      );
      await server.when(id, ['running']);
      while ((await server.output(id)) === '') await delay(5);
      for (let kill = 0; kill < kills; kill++) {
        await delay(Math.random() * 200);
        await worker.killAndRestart();
      }
      await worker.touch('enough');
      const detail = await server.ended(id);
      expect(detail).toMatchObject({ state: 'succeeded' });
      expect(detail.attempts).toHaveLength(1);
      const records = await server.records(id);
      const gaps = brokenLines(records, 0, countedLine);
      expect(gaps.problems).toEqual([]);
      expect(gaps.marks).toBe(kills);
      expect(await server.output(id)).toContain('token ***\n');
      expect(await worker.drain()).toBe(0);
      for (const folder of ['journal', 'spool']) expect(await namesIn(join(worker.stateDir, folder))).toEqual([]);
      expect(await worker.residue(lab)).toEqual([]);
      if (kills > 4) console.log(`${kills} kills, ${records.length} records, ${gaps.lost} bytes lost at them`);
    },
    120_000 + kills * 30_000,
  );

  it('is left to the next agent by a detach, and not a byte of it is lost', async () => {
    const lab = await dockerLab();
    const server = await startServer({ heartbeatMs: 500 });
    const worker = await MortalWorker.start(server, lab);
    const id = await server.submit({
      name: 'handed over',
      image: { reference: lab.image, pull: ['never'] },
      steps: [{ name: 'print', run: `${countingScript}; exit 3` }],
    });
    await server.when(id, ['running']);
    while ((await server.output(id)) === '') await delay(5);
    const told = await runAgent(['detach', '--state-dir', worker.stateDir]);
    expect(told).toMatchObject({ exitCode: 0, stdout: expect.stringContaining('it has ended') });
    expect(await worker.program.ended).toMatchObject({ exitCode: 0 });
    await worker.restart();
    await worker.touch('enough');
    expect(await server.ended(id)).toMatchObject({ state: 'failed', exitCode: 3 });
    expect(brokenLines(await server.records(id), 0, countedLine)).toEqual({ marks: 1, lost: 0, problems: [] });
    expect(await server.notes(id)).toContainEqual(expect.stringMatching(/^The agent was replaced here/));
    expect(await worker.drain()).toBe(0);
    expect(await worker.residue(lab)).toEqual([]);
  });
});
