import { findProgramPart } from '@ritmo/host-linux';

/** Where things lie inside a machine. */
export const insidePaths = {
  workspace: '/workspace',
  privateDir: '/run/ritmo/private',
  /** HOME of hardened jobs: that of their image cannot be written. */
  home: '/run/ritmo/home',
  tmp: '/tmp',
} as const;

const root = '/newroot';
const group = '/sys/fs/cgroup/step';
const bin = '/run/ritmo/bin';
/** An emulated machine writes them in about a second. */
const mostDirtyKiB = 256 * 1024;

/**
 * The first process of a machine, from a root in memory with a static busybox. It loads modules, finds the four ports,
 * and prepares all that needs neither a disk nor a network: a template is taken when it says hello. Descriptors: 3
 * control, 4 data, 5 stdout and 6 stderr of steps, 7 requests for steps.
 */
const init = `#!/bin/sh
export PATH=/bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs -o mode=755 tmpfs /run
mount -t cgroup2 groups /sys/fs/cgroup
# The disks too: those of a job take the place of what a template had, of which nothing was kept.
while read -r module; do insmod "/modules/$module.ko"; done </modules/early
for disk in vda vdb; do
  while [ ! -b /dev/$disk ]; do usleep 5000; done
done
port() {
  while :; do
    for at in /sys/class/virtio-ports/*; do
      read -r name <"$at/name" && [ "$name" = "ritmo.$1" ] && { found=/dev/\${at##*/}; return; }
    done
    usleep 10000
  done 2>/dev/null
}
port control; control=$found
port stdout; stdout=$found
port stderr; stderr=$found
port data; data=$found
exec 3<>"$control" 4<>"$data"
mkfifo -m 666 /run/stdout /run/stderr
mkfifo -m 600 /run/requests
exec 5<>/run/stdout 6<>/run/stderr 7<>/run/requests
echo -1000 >/proc/self/oom_score_adj
# In blocks as large as a port takes at once: each costs a way to the host and back.
dd bs=65536 <&5 >"$stdout" 2>/dev/null 3>&- 4>&- 5>&- 6>&- 7>&- &
helpers=$!
dd bs=65536 <&6 >"$stderr" 2>/dev/null 3>&- 4>&- 5>&- 6>&- 7>&- &
helpers="$helpers $!"
# A program that asks for more than there is is ended when it uses it, as on hosts with much memory.
echo 1 >/proc/sys/vm/overcommit_memory
echo "+memory +pids" >/sys/fs/cgroup/cgroup.subtree_control
mkdir ${group}
mkdir -p /job /lower ${root} /stage/dev /stage/run /stage/proc /stage/sys
mount -t proc proc /stage/proc
mount -t sysfs -o ro sys /stage/sys
mount -t tmpfs -o mode=755,size=64k dev /stage/dev
mkdir /stage/dev/pts /stage/dev/shm
for node in "null 1 3" "zero 1 5" "full 1 7" "random 1 8" "urandom 1 9" "tty 5 0"; do
  set -- $node
  mknod -m 666 /stage/dev/$1 c $2 $3
done
mount -t devpts -o newinstance,ptmxmode=666,mode=620,gid=5 devpts /stage/dev/pts
mount -t tmpfs -o mode=1777,nosuid,nodev shm /stage/dev/shm
ln -s pts/ptmx /stage/dev/ptmx
ln -s /proc/self/fd /stage/dev/fd
ln -s fd/0 /stage/dev/stdin
ln -s fd/1 /stage/dev/stdout
ln -s fd/2 /stage/dev/stderr
mount -t tmpfs -o mode=755 run /stage/run
mkdir -p /stage${bin} /stage/run/ritmo/step /stage/run/lock /stage${insidePaths.home}
chmod 1777 /stage/run/lock
mkdir -m 700 /stage/run/ritmo/private
mount --bind /bin /stage${bin}
cat /launch >/stage/run/ritmo/step/launch
: >/stage/run/ritmo/step/command
chmod 600 /stage/run/ritmo/step/command
printf '127.0.0.1 localhost build\\n::1 localhost\\n' >/run/hosts
hostname build
ifconfig lo up
# Until the generator of random numbers has a seed, a template would hide that all clones begin with the same.
dd if=/dev/random of=/dev/null bs=1 count=1 2>/dev/null
( . /serve ) &
helpers="$helpers $!"
. /steps
`;

/** Takes requests from the host, one line each, and answers them. Runs beside the first process, which runs steps. */
const serve = `
say() { echo "$*" >&3; }
take() { dd bs=65536 count="$1" iflag=fullblock,count_bytes <&4 2>/dev/null; }
inside() { nsenter -F -G "$gid" -S "$uid" -r${root} "$@"; }
attempt() {
  "$@" 2>/run/why && return
  why=; read -r why </run/why
  say "failed $number \${why:-$1}"
  return 1
}
outcome() { if [ $? = 0 ]; then say "done $number"; else say "failed $number $1"; fi; }
uid=0 gid=0
# What is mounted in the root of a job.
list() {
  for part in proc sys dev run; do echo "/stage/$part ${root}/$part none rbind 0 0"; done >/run/inside
  echo "/job/workspace ${root}/workspace none bind 0 0" >>/run/inside
}
list
# By one program all that can be: each costs an emulated machine milliseconds.
# $1 home, $2 type of the image, $3 the disk and its type
enter() {
  echo "/dev/vda /lower $2 ro,noatime 0 0
$3
overlay ${root} overlay lowerdir=/lower,upperdir=/job/upper,workdir=/job/work 0 0" >/run/disks
  attempt mount -a -T /run/disks || return
  cd ${root} && mkdir -p proc sys dev run tmp etc workspace ".$1"
  if ! [ -L etc/hosts ] && ! [ -s etc/hosts ]; then
    [ -f etc/hosts ] || : >etc/hosts
    echo "/run/hosts ${root}/etc/hosts none bind 0 0" >>/run/inside
  fi
  attempt mount -a -T /run/inside
}
# $1 uid, $2 gid, $3 home, $4 type of the image, $5 bytes of /dev/shm where they are bounded
prepare() {
  uid=$1 gid=$2
  enter "$3" "$4" '/dev/vdb /job ext4 noatime,noinit_itable 0 0' || return
  if [ -n "$5" ]; then attempt mount -t tmpfs -o "mode=1777,nosuid,nodev,size=$5" shm dev/shm || return; fi
  [ -k tmp ] || chmod 1777 tmp
  if [ "$uid" != 0 ]; then
    # The disk was filled by the user of the job: the root is not his.
    chown 0:0 .
    chown "$uid:$gid" run/ritmo/private run/ritmo/step/command ".$3"
  fi
  cd /
  say "done $number"
}
# Does what a job will begin with, on a disk in memory, and undoes it. $1 type of the image
rehearse() {
  mkdir -p /run/try/upper/workspace /run/try/work /run/try/workspace
  enter / "$1" '/run/try /job none bind 0 0' || return
  cd /
  (exec setsid env -i nsenter -F -G 0 -S 0 -r${root} ${bin}/sh -c : </dev/null 2>/dev/null >&2 3>&- 4>&- 5>&- 6>&- 7>&-)
  attempt umount -l ${root} /job /lower || return
  rm -r /run/try
  list
  say "done $number"
}
# $1 address, $2 mask, $3 gateway, $4 name server
network() {
  for module in failover net_failover virtio_net; do insmod "/modules/$module.ko"; done 2>/dev/null
  n=0; while [ ! -e /sys/class/net/eth0 ] && [ $n -lt 400 ]; do usleep 5000; n=$((n + 1)); done
  attempt ifconfig eth0 "$1" netmask "$2" up || return
  attempt route add default gw "$3" || return
  rm -f ${root}/etc/resolv.conf
  echo "nameserver $4" >${root}/etc/resolv.conf
  say "done $number"
}
# Nothing may be written but the workspace, its own home and /tmp, all on the disk of the job, and no program gives rights.
harden() {
  mkdir -m 1777 /job/tmp && mkdir -m 700 /job/home && chown "$uid:$gid" /job/home
  attempt mount -o bind /job/tmp ${root}${insidePaths.tmp} || return
  attempt mount -o bind /job/home ${root}${insidePaths.home} || return
  for path in ${insidePaths.workspace} ${insidePaths.tmp} ${insidePaths.home}; do
    attempt mount -o remount,bind,nosuid,nodev "${root}$path" || return
  done
  attempt mount -o remount,bind,ro,nosuid,nodev ${root} || return
  say "done $number"
}
# What /bin/sh is: its first bytes, or nothing.
inspect() {
  path=$(nsenter -F -r${root} ${bin}/readlink -f /bin/sh)
  say "shell $number $(dd if=${root}$path bs=20 count=1 2>/dev/null | xxd -p)"
}
# Writes what the disk does not have yet, so that the host can read it there. Not where that is so much that an archive is
# sooner here, nor where something is mounted over the workspace.
settle() {
  over=0
  while read -r key at value; do case $at in ${root}/workspace | ${root}/workspace/*) over=$((over + 1)) ;; esac; done </proc/mounts
  while read -r key value at; do [ "$key" = Dirty: ] && break; done </proc/meminfo
  [ $over = 1 ] && [ "$value" -lt ${mostDirtyKiB} ] && sync
  outcome settle
}
# $1 what ends the archive, $2 bytes of the list of names
collect() {
  take "$2" >/run/list
  (
    cd ${root}/workspace
    # Straight to the port: tar hands whole files to it, and what stands between them would copy every byte.
    xargs -0 sh -c 'echo $$ >/run/collecting; exec tar -c -f - "$@"' sh </run/list >&4 2>/dev/null 3>&-
    printf '\\001%s\\n' "$1" >&4
    say "done $number"
  ) &
}
# $1 signal
stop() {
  : >/run/stopping
  n=0
  if [ "$1" = KILL ]; then
    echo 1 >${group}/cgroup.kill && n=1
  else
    while read -r pid; do kill -"$1" "$pid" && n=$((n + 1)); done <${group}/cgroup.procs
  fi 2>/dev/null
  say "signalled $number $n"
}
say "hello $(uname -m)"
while :; do
  read -r what number a b c d e <&3 || { usleep 10000; continue; }
  case $what in
    ping) say "done $number" ;;
    seed) reseed <&4 1<>/dev/urandom; outcome seed ;;
    rehearse) rehearse "$a" ;;
    prepare) prepare "$a" "$b" "$c" "$d" "$e" ;;
    network) network "$a" "$b" "$c" "$d" ;;
    harden) harden ;;
    inspect) inspect ;;
    put) take "$a" | inside ${bin}/tar -x -p -C / -f - 2>/dev/null; outcome put ;;
    remove) take "$a" | nsenter -F -r${root} ${bin}/xargs -0 ${bin}/rm -rf --; outcome remove ;;
    # $a what ends the output, $b bytes of the command, $c most bytes of memory, $d most processes
    run) take "$b" >/stage/run/ritmo/step/command; rm -f /run/stopping; echo "$number $a $uid $gid $c $d" >&7 ;;
    stop) stop "$a" ;;
    settle) settle ;;
    collect) collect "$a" "$b" ;;
    uncollect) read -r pid </run/collecting; kill -KILL "$pid" 2>/dev/null ;;
  esac
done
`;

/**
 * Runs steps, each in a control group of its own. A shell says aloud when a child died of a signal, which the number
 * alone does not tell from \`exit 137\`. Once a step has ended, all of it is: then come the marks behind its output.
 */
const steps = `
while :; do
  read -r number mark uid gid memory pids <&7 || { usleep 10000; continue; }
  echo "$memory" >${group}/memory.max
  echo "$pids" >${group}/pids.max
  said=$(
    exec 2>&1 4>&- 7>&-
    (
      echo 0 >${group}/cgroup.procs
      echo 0 >/proc/self/oom_score_adj
      exec setsid env -i nsenter -F -G "$gid" -S "$uid" -r${root} ${bin}/sh /run/ritmo/step/launch "$number" </dev/null >&5 2>&6 5>&- 6>&-
    )
    echo "
code $?"
  )
  : >/stage/run/ritmo/step/command
  case $said in
    *'
code '*) code=\${said##*'
code '} ;;
    *) code=lost ;;
  esac
  case $said in
    '
code '*) how=silent ;;
    *) how=said ;;
  esac
  # Who is being stopped may have its grace.
  while [ -e /run/stopping ] && read -r pid <${group}/cgroup.procs; do usleep 10000; done
  left=0
  while read -r pid; do left=$((left + 1)); done <${group}/cgroup.procs
  while read -r pid <${group}/cgroup.procs; do echo 1 >${group}/cgroup.kill; usleep 2000; done
  kills=0 refused=0 free=-
  while read -r key value; do [ "$key" = oom_kill ] && kills=$value; done <${group}/memory.events
  while read -r key value; do [ "$key" = max ] && refused=$value; done <${group}/pids.events
  [ "$code" = 0 ] || free=$(stat -f -c '%a %d' /job)
  for helper in $helpers; do
    stat=
    read -r stat </proc/$helper/stat
    case $stat in '' | *') Z '*) poweroff -f ;; esac
  done 2>/dev/null
  printf '\\001%s\\n' "$mark" >&5
  printf '\\001%s\\n' "$mark" >&6
  echo "ended $number $code $how $left $kills $refused $free" >&3
  # One that has counted nothing, for the next step.
  while ! rmdir ${group}; do usleep 5000; done 2>/dev/null
  mkdir ${group}
done
`;

/** Runs in the image's root, as the user of the job, with the variables of the step: goes to its folder and becomes it. */
const launch = `
_ritmo_number=$1
. /run/ritmo/step/command
cd -- "$_ritmo_folder" 2>/dev/null || { echo "refused $_ritmo_number no-folder" >&3; exit 1; }
${findProgramPart}
if [ -z "$_ritmo_found" ]; then
  echo "refused $_ritmo_number no-program" >&3
  exit 1
fi
shift
echo "started $_ritmo_number" >&3
exec "$_ritmo_found" "$@" 3>&-
`;

/** The programs of the guest, by their paths in its initial root. */
export const guestScripts = { init, serve, steps, launch } as const;
