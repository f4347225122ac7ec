import { type Command, type Output, runCommand } from '@ritmo/conformance';
import { type ConformanceCase, groups } from './case.js';
import { conformanceCases } from './cases/index.js';
import { loadSubject } from './load-subject.js';
import { formatReport } from './report.js';
import { runConformance } from './run.js';

type Flag = 'options' | 'witness' | 'image' | 'shell';

const command: Command<ConformanceCase, Flag> = {
  name: 'ritmo-executor-testkit',
  title: 'Checks an executor against contract 1.',
  argument: 'plugin',
  about: 'PLUGIN is a path (./plugin.js) or an installed package whose default export is an executor plugin.',
  flags: {
    options: ['FILE', 'JSON with the options of the plugin'],
    witness: ['FILE', "module that exports residue(ownerId); the plugin's own by default"],
    image: ['REFERENCE', 'image that requests name, for executors with images'],
    shell: ['PATH', 'POSIX shell inside the sandbox (/bin/sh)'],
  },
  cases: conformanceCases,
  groups,
  timeScaleHint: '5 suits a VM.',
  async check(plugin, { flags: { options, witness, ...given }, cases, timeScale = 1 }) {
    const subject = await loadSubject({ plugin, options, witness });
    const report = await runConformance({ ...subject, ...given, timeScale }, { cases });
    return { report, text: formatReport(report) };
  },
};

/** The command, apart from the process around it. Resolves with the exit code. */
export function main(argv: readonly string[], output: Output): Promise<number> {
  return runCommand(command, argv, output);
}
