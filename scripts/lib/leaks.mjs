import { readdirSync, readFileSync } from 'node:fs';

/** The name of the variable that marks every process of one test run. */
export const runMarker = 'RITMO_TEST_RUN';

/** What tools keep in the folder for temporary files on purpose. */
const kept = /^(tsx-\d+|node-compile-cache)$/;

/** Names of what the tests have left in their folder for temporary files. */
export function leftFiles(folder) {
  return readdirSync(folder).filter((name) => !kept.test(name));
}

/** Processes of a test run that still live after it, as `PID COMMAND`. None is found on systems without /proc. */
export function leftProcesses(run) {
  const found = [];
  for (const pid of listProc()) {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) continue;
    const environment = readProc(pid, 'environ').split('\0');
    if (environment.includes(`${runMarker}=${run}`) && !/^\d+ \(.*\) Z /s.test(readProc(pid, 'stat'))) {
      found.push({ pid: Number(pid), command: readProc(pid, 'cmdline').split('\0').join(' ').trim() });
    }
  }
  return found;
}

function listProc() {
  try {
    return readdirSync('/proc');
  } catch {
    return [];
  }
}

/** Empty where the process has ended meanwhile. */
function readProc(pid, name) {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8');
  } catch {
    return '';
  }
}
