/**
 * POSIX shell, with nothing but what is built in: sets `_ritmo_found` to the program that `$1` names, looked for in
 * PATH where it has no slash; to nothing where there is none.
 */
export const findProgramPart = `_ritmo_found=
case $1 in
  */*) _ritmo_found=$1 ;;
  *)
    set -f; IFS=:
    for _ritmo_at in $PATH; do
      if [ -f "$_ritmo_at/$1" ] && [ -x "$_ritmo_at/$1" ]; then _ritmo_found=$_ritmo_at/$1; break; fi
    done
    set +f; unset IFS ;;
esac
if [ ! -f "$_ritmo_found" ] || [ ! -x "$_ritmo_found" ]; then _ritmo_found=; fi`;

/**
 * POSIX shell: of `_ritmo_said`, which is what a shell said of its child and then `code N` on a line, makes
 * `_ritmo_code` (`lost` without one) and `_ritmo_how`: `said` or `silent`. A shell says aloud when a child died of a
 * signal, which the number alone does not tell from `exit 137`.
 */
export const howItEndedPart = `case $_ritmo_said in
  *'
code '*) _ritmo_code=\${_ritmo_said##*'
code '} ;;
  *) _ritmo_code=lost ;;
esac
case $_ritmo_said in
  '
code '*) _ritmo_how=silent ;;
  *) _ritmo_how=said ;;
esac`;
