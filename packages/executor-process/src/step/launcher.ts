import { findProgramPart } from '@ritmo/host-linux';

/**
 * The first process of a step, run by /bin/sh. Descriptor 2 is its report to us, 3 the stderr of the step, 4 the step
 * file. It says that it is there and waits for a line, which does not come when the agent has died: nothing of the job
 * runs before everything that ends it with the agent is in place. It learns what to run, goes to the folder, looks
 * for the program, waits for it as a parent does, and reports how it ended: a shell says aloud when a child died of a
 * signal (bash not in its POSIX mode), which the number alone does not tell from `exit 137`. What it reports is a claim
 * of the job like all that comes out of a sandbox; whether anything is left is seen from outside.
 *
 * $1 `count` or `-`: whether /proc shows this job alone, so that what is left can be counted. $2 descriptors to close.
 */
const head = `
trap '_ritmo_held=1' TERM INT HUP
for fd in $2; do eval "exec $fd>&-"; done
_ritmo_mode=$1
echo here >&2
read -r _ritmo_go || exit 1
exec </dev/null
set --
. /dev/fd/4 2>/dev/null
exec 4<&-
`;

const tail = `
if [ -n "\${BASH_VERSION-}" ]; then set +o posix; fi
cd -- "$_ritmo_folder" 2>/dev/null || { echo no-folder >&2; exit 1; }
${findProgramPart}
if [ -z "$_ritmo_found" ]; then echo no-program >&2; exit 1; fi
shift
echo started >&2
(trap - TERM INT HUP; exec "$_ritmo_found" "$@" 2>&3 3>&- 4>&- 5>&-)
_ritmo_code=$?
_ritmo_left=0
if [ "$_ritmo_mode" = count ]; then
  for _ritmo_process in /proc/[0-9]*; do
    case \${_ritmo_process#/proc/} in 1 | $$) continue ;; esac
    read -r _ritmo_line 2>/dev/null <"$_ritmo_process/stat" || continue
    case \${_ritmo_line##*) } in Z* | X*) ;; *) _ritmo_left=$((_ritmo_left + 1)) ;; esac
  done 2>/dev/null
fi
echo "ended $_ritmo_code $_ritmo_left" >&2
times >&2
if [ -n "$_ritmo_held" ]; then echo held >&2; kill -STOP $$; fi
exit "$_ritmo_code"
`;

/** The shell that runs the launcher, and what the agent was started with that no job may have. */
export interface LauncherShell {
  readonly argv: readonly [string, ...string[]];
  /** Node closes those up to 15 itself; the shell must be one that can name higher ones. */
  readonly closes: readonly number[];
}

/** argv of a launcher. `alone`: it is in a sandbox, and counts what is left. */
export function launcherArgv({ argv, closes }: LauncherShell, alone: boolean): string[] {
  return [...argv, '-c', head + tail, 'ritmo-step', alone ? 'count' : '-', closes.join(' ')];
}
