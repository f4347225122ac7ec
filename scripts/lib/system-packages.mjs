import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { capture } from './run.mjs';
import { say } from './say.mjs';

/** Programs that builds and tests call, and the Debian package of each. */
export const programs = [
  { binary: 'git', package: 'git', why: 'checks out sources' },
  { binary: 'bwrap', package: 'bubblewrap', why: 'confines builds of the process executor' },
  { binary: 'setpriv', package: 'util-linux', why: 'keeps bare builds from gaining rights' },
  { binary: 'slirp4netns', package: 'slirp4netns', why: 'gives builds a network without the host' },
  { binary: 'ip', package: 'iproute2', why: 'closes the host to builds with a network' },
  { binary: 'nft', package: 'nftables', why: 'closes the host to builds by rule' },
  { binary: 'mkfs.ext4', package: 'e2fsprogs', why: 'makes the disks of builds with a limit' },
  { binary: 'busybox', package: 'busybox-static', why: 'starts the machines of builds, and is the image of the tests' },
  {
    binary: 'qemu-system-x86_64',
    package: 'qemu-system-x86',
    why: 'runs builds in virtual machines, and the guest of the tests',
  },
  { binary: 'sqfstar', package: 'squashfs-tools', why: 'makes the disks of machines from images' },
  { binary: 'gcc', package: 'gcc', why: 'makes the program by which a guest of the tests writes packets itself' },
  { binary: 'qemu-img', package: 'qemu-utils', why: 'makes disks for tests of machines' },
  { binary: 'flock', package: 'util-linux', why: 'keeps two agents from one state directory' },
  { binary: 'dockerd', package: 'docker.io', why: 'runs builds of the docker executor' },
  { binary: 'docker', package: 'docker.io', why: 'looks for what tests of the docker executor leave behind' },
  { binary: 'podman', package: 'podman', why: 'speaks as Docker does to tests of the docker executor' },
  { binary: 'netavark', package: 'netavark', why: 'makes networks of Podman' },
  { binary: 'aardvark-dns', package: 'aardvark-dns', why: 'tells names in networks of Podman' },
  { binary: 'catatonit', package: 'catatonit', why: 'is the init of containers of Podman' },
  { binary: 'iptables', package: 'iptables', why: 'is how the Docker daemon makes networks' },
  { binary: 'docker-registry', package: 'docker-registry', why: 'gives images to tests of the docker executor' },
  { binary: 'openssl', package: 'openssl', why: 'makes the certificates of a Docker daemon that is reached over TLS' },
  { binary: 'htpasswd', package: 'apache2-utils', why: 'makes a registry of the tests ask for a password' },
  { binary: 'gcc', package: 'gcc', why: 'is in the Debian image in which tests of the docker executor build' },
  { binary: 'gencat', package: 'libc6-dev', why: 'is in that image too, for gcc' },
  { binary: 'systemd-notify', package: 'systemd', why: 'tells systemd that a worker is ready' },
  { binary: 'zsh', package: 'zsh', why: 'shows that its command lines are completed' },
  { binary: 'fish', package: 'fish', why: 'shows that its command lines are completed' },
  { binary: 'faketime', package: 'faketime', why: 'sets the clock of a worker in tests' },
  { binary: 'python3', package: 'python3-minimal', why: 'stands for systemd in a test' },
];

/** Where programs lie that are not in every search path. */
const moreFolders = ['/usr/sbin', '/sbin', '/usr/lib/podman'];

const lockWaitSeconds = 180;

/** What of this machine decides how a missing program is installed. */
function thisHost() {
  const osRelease = '/etc/os-release';
  return {
    platform: process.platform,
    uid: process.getuid?.(),
    release: existsSync(osRelease) ? readFileSync(osRelease, 'utf8') : '',
    folders: [...(process.env.PATH ?? '').split(delimiter), ...moreFolders].filter((folder) => folder !== ''),
    mayChange: process.env.RITMO_SETUP_SYSTEM !== '0',
  };
}

/**
 * Installs what is missing where we may (root on Debian or Ubuntu), and says elsewhere what to install. Never
 * fails: what needs a missing program says so itself. `RITMO_SETUP_SYSTEM=0` leaves the machine as it is.
 */
export async function installSystemPackages(host = thisHost()) {
  if (host.platform !== 'linux') {
    say(`this is ${host.platform}: builds cannot be confined with bubblewrap here, only the bare level works`);
    return;
  }
  const missing = missingOn(host);
  if (missing.length === 0) return;
  const names = [...new Set(missing.map((program) => program.package))];
  const debian = /^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(host.release);
  if (debian && host.uid === 0 && host.mayChange && isOn(host, 'apt-get')) await aptInstall(names);
  const advice = debian ? `: sudo apt-get install -y ${names.join(' ')}` : '';
  for (const program of missingOn(host)) {
    say(`${program.binary} is missing (it ${program.why}); install the package ${program.package}${advice}`);
  }
}

const missingOn = (host) => programs.filter((program) => !isOn(host, program.binary));

const isOn = (host, binary) => host.folders.some((folder) => isExecutable(join(folder, binary)));

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

async function aptInstall(names) {
  say(`installing system packages: ${names.join(' ')}`);
  const updated = await apt(['update']);
  if (updated.code !== 0) say('apt-get update failed; going on with the package lists that are there');
  const installed = await apt(['install', '-y', '--no-install-recommends', ...names]);
  if (installed.code !== 0) process.stderr.write(installed.output);
}

/** Runs apt-get, and waits while another one holds its locks. */
async function apt(args) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const until = Date.now() + lockWaitSeconds * 1000;
  for (let told = false; ; told = true) {
    const result = await capture('apt-get', ['-q', '-o', `DPkg::Lock::Timeout=${lockWaitSeconds}`, ...args], { env });
    const locked = result.code !== 0 && /Could not get lock|is held by process/.test(result.output);
    if (!locked || Date.now() > until) return result;
    if (!told) say('another apt-get is at work; waiting for it');
    await sleep(2000);
  }
}
