import { type Command, type Output, runCommand } from '@ritmo/conformance';
import { groups, type TransportCase } from './case.js';
import { transportCases } from './cases/index.js';
import { loadSubject } from './load-subject.js';
import { checkTransport, formatTransportReport } from './run.js';

const command: Command<TransportCase, never> = {
  name: 'ritmo-transport-testkit',
  title: 'Checks a transport against transport contract 1.',
  argument: 'subject',
  about: `SUBJECT is the path of a module whose default export says how to make a place of jobs, how to connect the
transport to it, and how to see what arrived there (TransportSubject).`,
  flags: {},
  cases: transportCases,
  groups,
  timeScaleHint: '3 suits a broker on the other side of the world.',
  async check(file, { cases, timeScale }) {
    const subject = await loadSubject(file);
    const report = await checkTransport({ ...subject, ...(timeScale === undefined ? {} : { timeScale }) }, { cases });
    return { report, text: formatTransportReport(report) };
  },
};

/** The command, apart from the process around it. Resolves with the exit code. */
export function main(argv: readonly string[], output: Output): Promise<number> {
  return runCommand(command, argv, output);
}
