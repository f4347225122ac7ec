import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { RitmoError } from '@ritmo/agent-core/executor';
import { formatJunit } from '@ritmo/conformance';
import { type Group, groups } from './case.js';
import { conformanceCases } from './cases/index.js';
import { loadSubject } from './load-subject.js';
import { formatReport } from './report.js';
import { runConformance } from './run.js';

const help = `Checks an executor against contract 1.

  ritmo-executor-testkit PLUGIN [options]

PLUGIN is a path (./plugin.js) or an installed package whose default export is an executor plugin.

  --options FILE      JSON with the options of the plugin
  --witness FILE      module that exports residue(ownerId); the plugin's own by default
  --group NAME        only this group; repeatable (${groups.join(', ')})
  --image REFERENCE   image that requests name, for executors with images
  --shell PATH        POSIX shell inside the sandbox (/bin/sh)
  --time-scale N      multiplies every bound of time (1)
  --junit FILE        writes the report as JUnit XML too

Exits with 0 when it conforms, 1 when it does not, 2 on a mistake in the command.
`;

/** Where words go. */
export interface Output {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

/** The command, apart from the process around it. Resolves with the exit code. */
export async function main(argv: readonly string[], { out, err }: Output): Promise<number> {
  try {
    const { values, plugin } = parse(argv);
    if (values.help === true || plugin === undefined) {
      (plugin === undefined && values.help !== true ? err : out)(help);
      return values.help === true ? 0 : 2;
    }
    const timeScale = scaleOf(values['time-scale'] ?? '1');
    const cases = casesOf(values.group ?? []);
    const subject = await loadSubject({ plugin, options: values.options, witness: values.witness });
    const report = await runConformance({ ...subject, ...given(values), timeScale }, { cases });
    out(formatReport(report));
    if (values.junit !== undefined) await writeFile(values.junit, formatJunit(report));
    return report.conforms ? 0 : 1;
  } catch (error) {
    if (!(error instanceof RitmoError)) throw error;
    err(`${error.code}: ${error.message}\n${error.hint}\n`);
    return 2;
  }
}

function parse(argv: readonly string[]) {
  const text = { type: 'string' } as const;
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        options: text,
        witness: text,
        group: { type: 'string', multiple: true },
        image: text,
        shell: text,
        'time-scale': text,
        junit: text,
        help: { type: 'boolean', short: 'h' },
      },
    });
    if (positionals.length > 1) throw new Error(`one plugin at a time, not ${positionals.join(' and ')}`);
    return { values, plugin: positionals[0] };
  } catch (error) {
    const hint = 'See `ritmo-executor-testkit --help`.';
    throw new RitmoError('RITMO_USAGE', error instanceof Error ? error.message : String(error), { cause: error, hint });
  }
}

function given({ image, shell }: { readonly image?: string | undefined; readonly shell?: string | undefined }) {
  return { ...(image === undefined ? {} : { image }), ...(shell === undefined ? {} : { shell }) };
}

function scaleOf(text: string): number {
  const scale = Number(text);
  if (scale > 0 && Number.isFinite(scale)) return scale;
  throw new RitmoError('RITMO_USAGE', `--time-scale must be a number above 0, not "${text}".`, {
    hint: '5 suits a VM.',
  });
}

function casesOf(names: readonly string[]) {
  const unknown = names.filter((name) => !groups.includes(name as Group));
  if (unknown.length > 0) {
    const hint = `The groups are ${groups.join(', ')}.`;
    throw new RitmoError('RITMO_USAGE', `There is no group ${unknown.join(', ')}.`, { hint });
  }
  return conformanceCases.filter(({ group }) => names.length === 0 || names.includes(group));
}
