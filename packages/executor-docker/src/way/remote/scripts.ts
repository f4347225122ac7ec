import { findProgramPart, howItEndedPart } from '@ritmo/host-linux';
import { insidePaths } from '../../supervisor/script.js';

/** What only serves to run steps, by the numbers that it has inside. */
export interface OwnPids {
  /** Main process, below the init, and the shell that ends it at the deadline. */
  readonly keeper: number;
  readonly watcher: number;
}

/**
 * Main process of a container: it holds it open while the agent is connected with its input, and no longer than $1
 * seconds. Nothing is asked of it; steps are commands beside it. It says `hello SHELL KEEPER WATCHER` first.
 */
export const keeperScript = `
trap : TERM INT HUP
( sleep "$1"; kill -KILL $$ ) </dev/null >/dev/null 2>&1 &
_ritmo_watcher=$!
_ritmo_shell=other
[ -z "$BASH_VERSION" ] || _ritmo_shell=bash
echo "hello $_ritmo_shell $$ $_ritmo_watcher"
exec >/dev/null 2>&1
while read -r _ritmo_line; do :; done
`;

/** Functions that see what runs beside our own, end it, and read what the kernel counts: all with what a shell has built in. */
const functions = ({ keeper, watcher }: OwnPids) => `
_ritmo_field() {
  _ritmo_value=0
  [ -r "$1" ] || return 0
  while read -r _ritmo_key _ritmo_number _ritmo_rest; do
    [ "$_ritmo_key" != "$2" ] || _ritmo_value=$_ritmo_number
  done <"$1"
}
_ritmo_count() {
  _ritmo_field /sys/fs/cgroup/memory/memory.oom_control oom_kill
  [ "$_ritmo_value" != 0 ] || _ritmo_field /sys/fs/cgroup/memory.events oom_kill
  _ritmo_oom=$_ritmo_value
  _ritmo_field /sys/fs/cgroup/pids/pids.events max
  [ "$_ritmo_value" != 0 ] || _ritmo_field /sys/fs/cgroup/pids.events max
  _ritmo_forks=$_ritmo_value
}
_ritmo_signal() {
  _ritmo_reached=0
  for _ritmo_at in /proc/[0-9]*; do
    _ritmo_pid=\${_ritmo_at#/proc/}
    case " 1 ${keeper} ${watcher} $$ $2 " in *" $_ritmo_pid "*) continue ;; esac
    _ritmo_line=
    read -r _ritmo_line 2>/dev/null <"$_ritmo_at/stat" || continue
    set -- "$1" "$2" \${_ritmo_line##*) }
    case $3 in Z | X) continue ;; esac
    [ "$4" != ${watcher} ] || continue
    [ -z "$_ritmo_tell" ] || ! kill -s 0 "$_ritmo_pid" 2>/dev/null || echo reached
    ! kill -s "$1" "$_ritmo_pid" 2>/dev/null || _ritmo_reached=$((_ritmo_reached + 1))
  done
}
_ritmo_end() {
  _ritmo_signal STOP "$1"
  _ritmo_ended=$_ritmo_reached
  _ritmo_round=0
  while [ "$_ritmo_reached" != 0 ] && [ "$_ritmo_round" -lt 200 ]; do
    _ritmo_signal KILL "$1"
    _ritmo_round=$((_ritmo_round + 1))
  done
}
`;

/**
 * Runs one step, read from the input of the shell that the daemon starts for it: neither variables nor arguments are
 * on a command line, in a file or in what the daemon shows. Its output is that of the step between two lines of ours:
 * \`NONCE started PID\` (or \`NONCE no-folder\`, \`NONCE no-program\`), and \`NONCE ended CODE said|silent ENDED OOM FORKS\`,
 * before which all that the step has left is ended. It is inside of the build, and what it says is the build's claim.
 */
export function stepScript(nonce: string, stepFile: string, own: OwnPids): string {
  return `
trap : TERM INT HUP
exec 5>&1 6>&2 >/dev/null 2>&1
_ritmo_tell=
${functions(own)}
_ritmo_setsid=
if command -v setsid; then _ritmo_setsid=setsid; fi
[ -d "$HOME" ] && [ -w "$HOME" ] && [ "$HOME" != / ] || export HOME=${insidePaths.home}
[ -d "\${TMPDIR:=/tmp}" ] && [ -w "$TMPDIR" ] || TMPDIR=${insidePaths.home}/.tmp
export PATH TMPDIR
_ritmo_step() {
${stepFile}
  cd -- "$_ritmo_folder" 2>/dev/null || { echo "${nonce} no-folder" >&5; exit 1; }
${findProgramPart}
  if [ -z "$_ritmo_found" ]; then echo "${nonce} no-program" >&5; exit 1; fi
  shift
  echo "${nonce} started $$" >&5
  exec $_ritmo_setsid "$_ritmo_found" "$@" </dev/null >&5 2>&6 5>&- 6>&-
}
_ritmo_main() {
  _ritmo_count
  _ritmo_oom_before=$_ritmo_oom
  _ritmo_forks_before=$_ritmo_forks
  _ritmo_said=$(
    exec 2>&1
    trap : TERM INT HUP
    (
      trap - TERM INT HUP
      _ritmo_step
    )
    echo "
code $?"
  )
${howItEndedPart}
  _ritmo_end none
  _ritmo_count
  echo "${nonce} ended $_ritmo_code $_ritmo_how $_ritmo_ended $((_ritmo_oom - _ritmo_oom_before)) $((_ritmo_forks - _ritmo_forks_before))" >&5
}
_ritmo_main
exit
`;
}

/**
 * Sends a signal to all but our own and the process `spared`; `KILL` until nothing is left. Of each other signal it says
 * `reached` before it sends it: a step that ends of it takes this script along, and its last word with it.
 */
export function signalScript(signal: string, spared: number | undefined, own: OwnPids): string {
  const but = spared ?? 'none';
  const call = signal === 'KILL' ? `_ritmo_end ${but}` : `_ritmo_tell=yes; _ritmo_signal ${signal} ${but}`;
  return `_ritmo_tell=\n${functions(own)}\n${call}\nexit\n`;
}
