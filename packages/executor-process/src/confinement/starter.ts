import { existsSync } from 'node:fs';

/**
 * What runs before the sandbox is made, as the job's user and with nothing of the job in its environment: it joins
 * the control groups, whose files it has open, and hands on the system call filter, where there is one, as descriptor 6.
 *
 * $1 descriptors of control groups. $2 the filter's file, or nothing. $3… what to run.
 */
const script = `
for fd in $1; do eval "echo 0 >&$fd" || exit 1; done
exec 6>&- 7>&- 8>&- 9>&-
if [ -n "$2" ]; then exec 6<"$2"; fi
shift 2
exec "$@"
`;

/** The first descriptor that control groups are joined by; there are four at most. */
export const firstJoin = 6;
export const filterDescriptor = '6';

const nice = '/usr/bin/nice';

/** argv of a command that joins so many groups first; `yielding` makes the agent win over it where no group does. */
export function starterArgv(
  joins: number,
  filter: string | undefined,
  yielding: boolean,
  command: readonly string[],
): string[] {
  const descriptors = Array.from({ length: joins }, (_, index) => firstJoin + index).join(' ');
  const prefix = yielding && existsSync(nice) ? [nice, '-n', '5'] : [];
  return ['/bin/sh', '-c', script, 'ritmo-start', descriptors, filter ?? '', ...prefix, ...command];
}
