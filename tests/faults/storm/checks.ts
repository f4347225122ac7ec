import { LogLineSplitter } from '@ritmo/protocol';
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mountsBelow, namesIn, processesWithMarker } from '../../support/witness.js';
import type { Lab } from './lab.js';

const ended = ['succeeded', 'failed', 'cancelled', 'timed_out', 'errored'];

/** What the server's own records say against the promises, for one job; nothing where all of them were kept. */
export async function brokenPromises(lab: Lab, id: string, mayRepeat: boolean): Promise<readonly string[]> {
  const job = await lab.job(id);
  const broken: string[] = [];
  const say = (what: string) => broken.push(`${job.name} (${id}): ${what}`);
  if (!ended.includes(job.state)) say(`is ${job.state}`);
  const { attempts } = job;
  // Cancelled before it began: there is no log.
  if (job.state === 'cancelled' && job.startedAt === undefined) return broken;
  if (!mayRepeat && attempts.length > 1) say(`had ${attempts.length} attempts and may have one`);
  const last = attempts.at(-1);
  if (!last || last.epoch !== job.epoch) say('its last attempt is not its epoch');
  for (const { epoch, log } of attempts) {
    if (epoch === job.epoch && !log.sealed) say('its log is not sealed');
    const bytes = await lab.log(id, epoch);
    if (bytes.length !== log.length) say(`its log of attempt ${epoch} has ${bytes.length} of ${log.length} bytes`);
    const records = new LogLineSplitter().push(bytes);
    if (records.filter(({ k }) => k === 'log').length !== 1) say(`its log of attempt ${epoch} begins twice, or never`);
    const printed = records.map((record) => (record.k === 'out' ? record.m : '')).join('');
    const numbers = printed.match(/^\d+$/gm)?.map(Number) ?? [];
    if (numbers.some((number, at) => number !== at)) say(`its log of attempt ${epoch} misses or repeats lines`);
    if (job.state === 'succeeded' && epoch === job.epoch && !printed.includes('end')) say('its log has no end');
  }
  const artifacts = await lab.artifacts(id);
  if (job.state === 'succeeded' && job.name === 'loud' && artifacts.length !== 1) say('its artifact is missing');
  for (const { artifactId, path, sha256, size } of artifacts) {
    const bytes = await lab.artifact(id, artifactId);
    const hash = createHash('sha256').update(bytes).digest('hex');
    if (bytes.length !== size || (sha256 !== undefined && hash !== sha256)) say(`its artifact ${path} is damaged`);
  }
  return broken;
}

/** What is left of builds, as the kernel and the file system show it, once the agent has ended. */
export async function leftovers(lab: Lab, marker: string): Promise<readonly string[]> {
  const left = (await processesWithMarker(marker)).map(
    ({ pid, command }) => `process ${pid}: ${command.slice(0, 120)}`,
  );
  left.push(...(await mountsBelow(lab.folder)).map((point) => `mount ${point}`));
  for (const folder of ['journal', 'spool', 'staging'])
    left.push(...(await namesIn(join(lab.stateDir, folder))).map((name) => `${folder}/${name}`));
  left.push(...(await filesBelow(join(lab.stateDir, 'executors'))).map((path) => `executors/${path}`));
  left.push(...(await namesIn(lab.tmp)).filter((name) => !name.startsWith('tsx-')).map((name) => `tmp/${name}`));
  left.push(...(await cgroupsOf(lab)).map((path) => `cgroup ${path}`));
  return left;
}

/** Files of builds; what an executor keeps of its own lies at its top. */
async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => !entry.isDirectory())
    .map(({ parentPath, name }) => join(parentPath, name).slice(folder.length + 1))
    .filter((path) => path.split('/').length > 2);
}

async function cgroupsOf(lab: Lab): Promise<string[]> {
  const owner = (await readFile(join(lab.stateDir, 'owner-id'), 'utf8')).trim();
  const found: string[] = [];
  const walk = async (folder: string, depth: number): Promise<void> => {
    const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
    for (const entry of entries.filter((each) => each.isDirectory())) {
      const path = join(folder, entry.name);
      if (entry.name.includes(owner)) found.push(path);
      else if (depth > 0) await walk(path, depth - 1);
    }
  };
  await walk('/sys/fs/cgroup', 3);
  return found;
}
