import { resolve } from 'node:path';
import { oneLine } from '@ritmo/protocol';
import type { Check } from '../doctor/check.js';
import { checkExecutors } from '../doctor/executors.js';
import { checkGit, checkNode, checkServer, checkStateDir, checkSwap } from '../doctor/host.js';
import { checkArtifactStore } from '../doctor/store.js';
import { exitCodes } from '../exit-codes.js';
import type { Output } from '../io.js';
import { executorOptions } from '../isolation/executor-options.js';
import type { doctorKeys } from '../options/groups.js';
import { defaultStateDir } from '../paths.js';
import { table } from '../render/table.js';
import type { Context } from './command.js';

/** Looks at this machine. Ends with 69 where no isolation works, one that was named does not, or a need of all is missing. */
export async function doctor({ settings, io }: Context<(typeof doctorKeys)[number]>): Promise<number> {
  const swap = await checkSwap();
  const store = await checkArtifactStore(settings.artifactStore);
  const host = [
    checkNode(),
    await checkGit(),
    await checkStateDir(resolve(settings.stateDir ?? defaultStateDir(io.env))),
    ...(swap === undefined ? [] : [swap]),
    await checkServer(settings),
    ...(store === undefined ? [] : [store]),
  ];
  const executors = await checkExecutors(settings.isolation, executorOptions(settings));
  const checks = [...executors, ...host];
  io.out.write(settings.json ? `${JSON.stringify({ checks }, null, 2)}\n` : shown(checks, io.out));

  const wanted = settings.isolation.map((name) => `isolation ${name}`);
  const needed = executors.filter(({ name }) => wanted.includes(name));
  const works =
    needed.length > 0
      ? needed.every(isThere)
      : executors.some(({ facts, state }) => facts !== undefined && state !== 'missing');
  return works && host.every(isThere) ? exitCodes.ok : exitCodes.unavailable;
}

const isThere = ({ state }: Check) => state !== 'missing';

function shown(checks: readonly Check[], { style, terminal, columns }: Output): string {
  const width = terminal ? columns : undefined;
  const marks = { ok: style.green('✓'), warning: style.yellow('!'), missing: style.red('✗') };
  const rows = checks.map(({ name, state, detail }) => [marks[state], name, oneLine(detail)]);
  const facts = checks.flatMap(({ name, facts: found = {} }) =>
    Object.entries(found).map(([key, value]) => [`  ${name}`, key, oneLine(String(value))]),
  );
  const remedies = checks.flatMap(({ name, remedy }) => (remedy === undefined ? [] : [[`  ${name}`, oneLine(remedy)]]));
  return [
    table(rows, width),
    facts.length === 0 ? '' : `\n${style.bold('What was found')}\n${table(facts, width)}`,
    remedies.length === 0 ? '' : `\n${style.bold('What to do')}\n${table(remedies, width)}`,
  ].join('');
}
