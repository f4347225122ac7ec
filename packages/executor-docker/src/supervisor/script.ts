import { findProgramPart, howItEndedPart } from '@ritmo/host-linux';

/** Where things lie inside a container. */
export const insidePaths = {
  workspace: '/workspace',
  privateDir: '/run/ritmo/private',
  supervisor: '/run/ritmo/supervisor',
  home: '/run/ritmo/home',
  tool: '/run/ritmo/tools',
} as const;

/** After so many looks that find no new sign of the agent a container ends itself. */
export const looksWithoutSign = 5;

/**
 * Main process of a container, below an init that reaps, run by the image's /bin/sh with nothing but what a POSIX
 * shell has built in (and `sleep`, `setsid` where there is one). It holds the FIFOs open for reading and writing, so
 * that neither side sees an end when the agent goes. It is inside of the build, and what it says is the build's claim.
 *
 * $1 seconds after which it ends by itself; where $2 is not 0, also when the file `sign` stays the same at five looks with
 * $2 seconds between them. Requests: `NONCE FILE`, and `NONCE again` for the last answer once more, which
 * the agent before may have taken with it. Answers: `NONCE started`, `NONCE no-folder`, `NONCE no-program`,
 * `NONCE ended CODE said|silent`, `NONCE last none` or `NONCE last` with the last `ended`. A shell says aloud when a child died of a signal, which the
 * number alone does not tell from `exit 137`; bash is silent about SIGTERM.
 */
export const supervisorScript = `
cd ${insidePaths.supervisor} || exit 70
exec 3<>control 4<>status 5<>stdout 6<>stderr </dev/null >/dev/null 2>&1 || exit 70
cd /
trap : TERM INT HUP
_ritmo_setsid=
if command -v setsid; then _ritmo_setsid=setsid; fi
[ -d "$HOME" ] && [ -w "$HOME" ] && [ "$HOME" != / ] || export HOME=${insidePaths.home}
[ -d "\${TMPDIR:=/tmp}" ] && [ -w "$TMPDIR" ] || TMPDIR=${insidePaths.home}/.tmp
export PATH TMPDIR
_ritmo_last=none
_ritmo_shell=other
[ -z "$BASH_VERSION" ] || _ritmo_shell=bash
_ritmo_sh=no-private; [ -r ${insidePaths.privateDir} ] && _ritmo_sh=private
(
  sleep "$1" 3>&- 4>&- 5>&- 6>&- &
  exec 3>&- 4>&- 5>&- 6>&-
  wait
  kill -KILL $$
) &
if [ "$2" != 0 ]; then (
  exec 3>&- 4>&- 5>&- 6>&-
  _ritmo_same=0
  _ritmo_old=
  while [ "$_ritmo_same" -lt ${looksWithoutSign} ] && sleep "$2"; do
    _ritmo_new=
    read -r _ritmo_new < ${insidePaths.supervisor}/sign
    if [ "$_ritmo_new" = "$_ritmo_old" ]; then _ritmo_same=$((_ritmo_same + 1)); else _ritmo_same=0; fi
    _ritmo_old=$_ritmo_new
  done
  kill -KILL $$
) & fi
echo "hello $_ritmo_shell $_ritmo_sh" >&4
while :; do
  IFS=' ' read -r _ritmo_nonce _ritmo_file <&3 || continue
  if [ "$_ritmo_file" = again ]; then echo "$_ritmo_nonce last $_ritmo_last" >&4; continue; fi
  _ritmo_said=$(
    exec 2>&1 3>&-
    trap : TERM INT HUP
    (
      trap - TERM INT HUP
      . "$_ritmo_file"
      cd -- "$_ritmo_folder" 2>/dev/null || { echo "$_ritmo_nonce no-folder" >&4; exit 1; }
${findProgramPart}
      if [ -z "$_ritmo_found" ]; then echo "$_ritmo_nonce no-program" >&4; exit 1; fi
      shift
      echo "$_ritmo_nonce started" >&4
      exec $_ritmo_setsid "$_ritmo_found" "$@" </dev/null >&5 2>&6 4>&- 5>&- 6>&-
    )
    echo "
code $?"
  )
${howItEndedPart}
  _ritmo_last="$_ritmo_nonce ended $_ritmo_code $_ritmo_how"
  echo "$_ritmo_last" >&4
done
`;
