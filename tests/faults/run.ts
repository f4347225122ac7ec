import { parseArgs } from 'node:util';
import { storm, type Round } from './storm/storm.js';
import { stormTable } from './storm/table.js';

/** `pnpm faults [--rounds N] [--seed N]`: a storm of kills, a line for each round and a table at the end. */
const { values } = parseArgs({ options: { rounds: { type: 'string' }, seed: { type: 'string' } } });
const count = Number(values.rounds ?? 20);
const seed = Number(values.seed ?? Date.now() % 1_000_000);
process.stdout.write(`${count} rounds, seed ${seed}\n`);
const rounds: Round[] = [];
for await (const round of storm(count, seed)) {
  rounds.push(round);
  const bad = [...round.broken, ...round.left];
  const said = bad.length === 0 ? 'good' : ['WRONG', ...bad].join('\n     - ');
  process.stdout.write(
    `${String(round.round).padStart(4)} ${round.victim.padEnd(6)} after ${String(round.killedAfterMs).padStart(4)} ms  ${round.states.join(', ').padEnd(36)} ${round.ms} ms  ${said}\n`,
  );
}
process.stdout.write(`\n${stormTable(rounds)}`);
process.exitCode = rounds.some(({ broken, left }) => broken.length + left.length > 0) ? 1 : 0;
