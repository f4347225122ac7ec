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

export interface LauncherReport {
  readonly failure?: 'no-folder' | 'no-program';
  readonly started: boolean;
  readonly ended?: {
    readonly code: number;
    /** Whether the shell said that a signal ended the program. */
    readonly signalled: boolean;
    readonly left: number;
    readonly cpuMs: number;
  };
  /** It was told to stop, and waits until all others have ended. */
  readonly held: boolean;
}

/** Reads what has come of a report so far. */
export function readReport(text: string): LauncherReport {
  const started = /^started$/m.exec(text);
  const ended = /^ended (\d+) (\d+)$/m.exec(text);
  const failure = /^(no-folder|no-program)$/m.exec(text)?.[1] as LauncherReport['failure'];
  return {
    ...(failure === undefined || started !== null ? {} : { failure }),
    started: started !== null,
    held: /^held$/m.test(text),
    ...(started === null || ended === null
      ? {}
      : {
          ended: {
            code: Number(ended[1]),
            signalled: text.slice(started.index + 'started'.length, ended.index).trim() !== '',
            left: Number(ended[2]),
            cpuMs: cpuMsOf(text.slice(ended.index)),
          },
        }),
  };
}

/** The second line of the shell's `times`: user and system time of its children, as `0m1.25s 0m0.5s`. */
function cpuMsOf(text: string): number {
  const lines = [...text.matchAll(/^(\d+)m([\d.]+)s (\d+)m([\d.]+)s$/gm)];
  const children = lines[1];
  if (children === undefined) return 0;
  const [, userMinutes, user, systemMinutes, system] = children.map(Number);
  return Math.round(((userMinutes ?? 0) + (systemMinutes ?? 0)) * 60_000 + ((user ?? 0) + (system ?? 0)) * 1_000);
}
