import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { RitmoError } from '@ritmo/agent-core';
import { formatJunit } from '@ritmo/conformance';
import { type Group, groups } from './case.js';
import { transportCases } from './cases/index.js';
import { loadSubject } from './load-subject.js';
import { checkTransport, formatTransportReport } from './run.js';

const help = `Checks a transport against transport contract 1.

  ritmo-transport-testkit SUBJECT [options]

SUBJECT is the path of a module whose default export says how to make a place of jobs, how to connect the
transport to it, and how to see what arrived there (TransportSubject).

  --group NAME        only this group; repeatable (${groups.join(', ')})
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
    const { values, file } = parse(argv);
    if (values.help === true || file === undefined) {
      (values.help === true ? out : err)(help);
      return values.help === true ? 0 : 2;
    }
    const timeScale = values['time-scale'];
    const scale = timeScale === undefined ? {} : { timeScale: scaleOf(timeScale) };
    const cases = casesOf(values.group ?? []);
    const report = await checkTransport({ ...(await loadSubject(file)), ...scale }, { cases });
    out(formatTransportReport(report));
    if (values.junit !== undefined) await writeFile(values.junit, formatJunit(report));
    return report.conforms ? 0 : 1;
  } catch (error) {
    if (!(error instanceof RitmoError)) throw error;
    err(`${error.code}: ${error.message}\n${error.hint}\n`);
    return 2;
  }
}

function parse(argv: readonly string[]) {
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        group: { type: 'string', multiple: true },
        'time-scale': { type: 'string' },
        junit: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    });
    if (positionals.length > 1) throw new Error(`one subject at a time, not ${positionals.join(' and ')}`);
    return { values, file: positionals[0] };
  } catch (error) {
    const hint = 'See `ritmo-transport-testkit --help`.';
    throw new RitmoError('RITMO_USAGE', error instanceof Error ? error.message : String(error), { cause: error, hint });
  }
}

function scaleOf(text: string): number {
  const scale = Number(text);
  if (scale > 0 && Number.isFinite(scale)) return scale;
  throw new RitmoError('RITMO_USAGE', `--time-scale must be a number above 0, not "${text}".`, {
    hint: '3 suits a broker on the other side of the world.',
  });
}

function casesOf(names: readonly string[]) {
  const unknown = names.filter((name) => !groups.includes(name as Group));
  if (unknown.length > 0) {
    const hint = `The groups are ${groups.join(', ')}.`;
    throw new RitmoError('RITMO_USAGE', `There is no group ${unknown.join(', ')}.`, { hint });
  }
  return transportCases.filter(({ group }) => names.length === 0 || names.includes(group));
}
