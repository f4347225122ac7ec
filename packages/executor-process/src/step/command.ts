import { notStarted } from '@ritmo/agent-core/executor';
import type { SharedPath } from '../mounts/shared-paths.js';

/** What is run, after PATH, HOME and TMPDIR were settled. */
export interface Command {
  readonly argv: readonly [string, ...string[]];
  /** Absolute, inside. */
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Host paths that this command alone may read. */
  readonly readOnlyPaths: readonly SharedPath[];
  /** Folder on the host that is shown as the tool's. */
  readonly toolFolder?: string;
}

/** Throws RITMO_STEP_NOT_STARTED for texts that no process can be given. */
export function assertPassable(command: Command): void {
  for (const text of [...command.argv, command.cwd, ...command.readOnlyPaths.map(({ target }) => target)]) {
    if (text.includes('\0')) throw notStarted('An argument holds a NUL byte, which no program can be given.');
  }
  if (command.argv[0] === '') throw notStarted('The name of the program is empty.');
  for (const [name, value] of Object.entries(command.env)) {
    if (name === '' || /[=\0]/.test(name))
      throw notStarted(`"${name.replaceAll('\0', '\\0')}" cannot name a variable.`);
    if (value.includes('\0')) throw notStarted(`The variable ${name} holds a NUL byte, which no program can be given.`);
  }
}
