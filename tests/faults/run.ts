import { parseArgs } from 'node:util';
import buildPackages from '../support/build-packages.js';
import { type Fault, faultsOf, type Isolation } from './storm/faults.js';
import { storm, type Round } from './storm/storm.js';
import { isBad, roundLine, stormTable } from './storm/table.js';

/**
 * `pnpm faults [--isolation process|docker] [--rounds N] [--seed N] [--fault NAME …]`: faults at random moments, a line
 * for each round and a table at the end.
 */
const { values } = parseArgs({
  options: {
    isolation: { type: 'string', default: 'process' },
    rounds: { type: 'string', default: '20' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    fault: { type: 'string', multiple: true },
  },
});
const isolation = values.isolation as Isolation;
if (!(isolation in faultsOf))
  throw new Error(`there is no isolation ${isolation}; there are ${Object.keys(faultsOf).join(', ')}`);
const faults = (values.fault ?? faultsOf[isolation]) as readonly Fault[];
for (const fault of faults)
  if (!faultsOf[isolation].includes(fault))
    throw new Error(`there is no fault ${fault}; there are ${faultsOf[isolation].join(', ')}`);
const seed = Number(values.seed);
buildPackages();
process.stdout.write(`${isolation}: ${values.rounds} rounds, seed ${seed}\n`);
const rounds: Round[] = [];
for await (const round of storm({ isolation, rounds: Number(values.rounds), seed, faults })) {
  rounds.push(round);
  process.stdout.write(roundLine(round));
}
process.stdout.write(`\n${stormTable(rounds)}`);
process.exitCode = rounds.some(isBad) ? 1 : 0;
