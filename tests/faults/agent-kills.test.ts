import { setTimeout as delay } from 'node:timers/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readyWorker, startServer, stateFolder } from '../support/cluster.js';
import { mountsBelow, namesIn } from '../support/witness.js';

/** Each round costs two starts of an agent; RITMO_KILL_ROUNDS=50 for the whole run. */
const rounds = Number(process.env['RITMO_KILL_ROUNDS'] ?? 4);

describe('an agent that is killed at a random moment', { timeout: rounds * 60_000 }, () => {
  it('leaves a log that is what was printed up to the kill, marked at its end, and sealed by the next agent', async () => {
    const server = await startServer({ heartbeatMs: 300 });
    const stateDir = await stateFolder();
    const options = { stateDir, flags: ['--name', 'mortal'] };
    let worker = await readyWorker(server, options);
    for (let round = 0; round < rounds; round++) {
      const id = await server.submit({
        name: `round ${round}`,
        steps: [{ run: 'i=0; while :; do i=$((i + 1)); echo "line $i of round"; done' }],
      });
      await server.when(id, ['running']);
      while ((await server.output(id)) === '') await delay(5);
      await delay(Math.random() * 300);
      const seen = await server.output(id);
      worker.kill('SIGKILL');
      await worker.ended;
      worker = await readyWorker(server, options);
      const detail = await server.ended(id);
      expect(detail).toMatchObject({ state: 'errored', failure: { code: 'RITMO_AGENT_CRASHED' } });
      expect(detail.attempts.at(-1)?.log.sealed).toBe(true);
      const output = await server.output(id);
      // Nothing that a reader has seen is taken back.
      expect(output.startsWith(seen)).toBe(true);
      const lines = output.split('\n');
      const cut = lines.pop() ?? '';
      expect(lines).toEqual(lines.map((_line, index) => `line ${index + 1} of round`));
      expect(`line ${lines.length + 1} of round`.startsWith(cut)).toBe(true);
      expect((await server.records(id)).at(-1)).toMatchObject({
        k: 'note',
        m: expect.stringMatching(/agent died here/),
      });
    }
    worker.kill('SIGTERM');
    await worker.ended;
    for (const folder of ['journal', 'spool']) expect(await namesIn(join(stateDir, folder))).toEqual([]);
    expect(await mountsBelow(stateDir)).toEqual([]);
  });
});
