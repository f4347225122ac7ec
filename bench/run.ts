import { artifacts } from './artifacts/s3.js';
import { collecting } from './artifacts/collect.js';
import { farArtifacts } from './artifacts/far.js';
import { signedArtifacts } from './artifacts/signed.js';
import { cancel } from './system/cancel.js';
import { loud } from './log/loud.js';
import { printToReader } from './log/print-to-reader.js';
import { readers } from './log/readers.js';
import { processStart } from './process/start.js';
import { docker } from './system/docker.js';
import { idle } from './system/idle.js';
import { latency } from './system/latency.js';
import { manyJobs } from './system/many-jobs.js';
import { machines } from './vm/machines.js';
import { vmRow } from './vm/row.js';
import { throughput } from './system/throughput.js';

const benches: Readonly<Record<string, () => Promise<void>>> = {
  latency,
  throughput,
  idle,
  'many-jobs': manyJobs,
  artifacts,
  'artifacts-signed': signedArtifacts,
  'artifacts-far': farArtifacts,
  collecting,
  cancel,
  'print-to-reader': printToReader,
  readers,
  loud,
  process: processStart,
  docker,
  vm: machines,
  'vm-row': vmRow,
};

/** `pnpm bench [NAME …]`: whole-process figures of the built command line, each beside its target or its floor. */
const names = process.argv.slice(2);
for (const name of names.length > 0 ? names : Object.keys(benches)) {
  const bench = benches[name];
  if (!bench) throw new Error(`there is no bench ${name}; there are ${Object.keys(benches).join(', ')}`);
  process.stdout.write(`\n${name}\n`);
  await bench();
}
