/**
 * The first process of a step, run by /bin/sh. Descriptor 2 is its report to us, 3 the stderr of the step. It goes
 * to the folder, looks for the program, waits for it as a parent does, and reports how it ended: a shell says aloud
 * when a child died of a signal (bash not in its POSIX mode), which the number alone does not tell from `exit 137`. What it reports is a claim of
 * the job like all that comes out of a sandbox; whether anything is left is seen from outside.
 *
 * $1 `count` or `-`: whether /proc shows this job alone, so that what is left can be counted. $2 descriptors to close.
 * $3 folder. $4… argv.
 */
const script = `
if [ -n "\${BASH_VERSION-}" ]; then set +o posix; fi
trap 'held=1' TERM INT HUP
mode=$1
for fd in $2; do eval "exec $fd>&-"; done
cd -- "$3" 2>/dev/null || { echo no-folder >&2; exit 1; }
shift 3
found=
case $1 in
  */*) found=$1 ;;
  *)
    set -f; IFS=:
    for folder in $PATH; do
      if [ -f "$folder/$1" ] && [ -x "$folder/$1" ]; then found=$folder/$1; break; fi
    done
    set +f; unset IFS ;;
esac
if [ ! -f "$found" ] || [ ! -x "$found" ]; then echo no-program >&2; exit 1; fi
shift
echo started >&2
(trap - TERM INT HUP; exec "$found" "$@" 2>&3 3>&- 4>&- 5>&-)
code=$?
left=0
if [ "$mode" = count ]; then
  for process in /proc/[0-9]*; do
    case \${process#/proc/} in 1 | $$) continue ;; esac
    read -r line 2>/dev/null <"$process/stat" || continue
    case \${line##*) } in Z* | X*) ;; *) left=$((left + 1)) ;; esac
  done 2>/dev/null
fi
echo "ended $code $left" >&2
times >&2
if [ -n "$held" ]; then echo held >&2; kill -STOP $$; fi
exit "$code"
`;

/** The shell that runs the launcher, and what the agent was started with that no job may have. */
export interface LauncherShell {
  readonly argv: readonly [string, ...string[]];
  /** Node closes those up to 15 itself; the shell must be one that can name higher ones. */
  readonly closes: readonly number[];
}

/** argv of the launcher for a program in a folder inside. */
export function launcherArgv(
  shell: LauncherShell,
  folder: string,
  argv: readonly string[],
  countsLeft: boolean,
): [string, ...string[]] {
  const [file, ...options] = shell.argv;
  return [
    file,
    ...options,
    '-c',
    script,
    'ritmo-step',
    countsLeft ? 'count' : '-',
    shell.closes.join(' '),
    folder,
    ...argv,
  ];
}
