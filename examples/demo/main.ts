import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isolation } from './isolation.js';
import { Program } from './program.js';

const repository = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
const usage = 'usage: npm start [-- --serve]\n\n  --serve  keep the server and the worker running on localhost:8080\n';

const say = (text = '') => process.stdout.write(`${text}\n`);

/** The main job on a real build: a server, a worker, and a job that builds and tests a package of this repository. */
async function demonstrate(serve: boolean): Promise<number> {
  const begin = performance.now();
  const interrupted = signalled();
  const folder = serve ? await keptFolder() : await mkdtemp(join(tmpdir(), 'ritmo-demo-'));
  // Builds run as users of their own, who walk through to their workspace.
  await chmod(folder, 0o711);
  const level = isolation(repository);
  const jobFile = await writeJob(folder, level.name);
  say('A server, a worker, and a build of this repository from its own git history.');
  if (level.name === 'bare') say(`\n${level.warning}`);

  const data = join(folder, 'server');
  const server = new Program(['api-server', '--data-dir', data, '--port', serve ? '8080' : '0']);
  const programs = [server];
  let hurry = false;
  void interrupted.then(() => {
    hurry = !serve;
  });
  const closeAll = async () => {
    for (const program of programs.toReversed()) await program.end(hurry && program !== server);
  };
  try {
    const url = await server.waitFor(/(http:\/\/[^\s"/]+)/);
    const worker = new Program([
      ...['start', '--api-server', url, '--token-file', join(data, 'registration.token')],
      ...['--state-dir', join(folder, 'worker'), '--name', 'demo', '--log-level', 'warn', '--allow-local-sources'],
      ...level.flags,
    ]);
    programs.push(worker);
    const submit = ['submit', jobFile, '--follow', '--api-server', url, '--token-file', join(data, 'user.token')];
    say('\n$ ritmo-agent submit job.yaml --follow\n');
    const code = await Program.attached(submit, interrupted);
    if (code !== 0) {
      say(`\nThe build did not succeed. What the worker said:\n${worker.text || '(nothing)'}`);
      return code;
    }
    say(`\nDone in ${((performance.now() - begin) / 1000).toFixed(1)} s. Where everything lies:`);
    say(`  job file            ${jobFile}`);
    say(`  log and artifacts   ${data}`);
    say(`  state of the worker ${join(folder, 'worker')}`);
    say('\nWhat to try next:');
    for (const line of next(serve, url, data)) say(`  ${line}`);
    if (serve) await Promise.race([interrupted, ...programs.map(({ ended }) => ended)]);
    return 0;
  } finally {
    await closeAll();
  }
}

/** With --serve the data outlives the run, in a folder that nobody else can make before us. */
async function keptFolder(): Promise<string> {
  const state = process.env['XDG_STATE_HOME'] ?? join(homedir(), '.local', 'state');
  const folder = process.getuid?.() === 0 ? '/var/lib/ritmo-demo' : join(state, 'ritmo-demo');
  await mkdir(folder, { recursive: true });
  return folder;
}

async function writeJob(folder: string, level: 'sandbox' | 'bare'): Promise<string> {
  const commit = git('rev-parse', 'HEAD');
  const template = await readFile(join(repository, 'examples', 'demo', 'job.yaml'), 'utf8');
  // The bare level has no network but that of the host.
  const left = (line: string) => line.startsWith('#') || (level === 'bare' && line.startsWith('network:'));
  const lines = template.split('\n').filter((line) => !left(line));
  const job = lines.join('\n').replaceAll('${REPOSITORY}', JSON.stringify(repository)).replace('${COMMIT}', commit);
  const file = join(folder, 'job.yaml');
  await rm(file, { force: true });
  await writeFile(file, job, { mode: 0o644 });
  return file;
}

function git(...args: readonly string[]): string {
  try {
    return execFileSync('git', ['-C', repository, ...args], { encoding: 'utf8' }).trim();
  } catch {
    throw new Error(`The demonstration builds the git history of ${repository}: clone the repository with git.`);
  }
}

function next(serve: boolean, url: string, data: string): string[] {
  const agent = 'npm run --silent ritmo-agent --';
  if (!serve) {
    return [`${agent} exec examples/jobs/hello.yaml --isolation process`, `${agent} doctor`, 'npm start -- --serve'];
  }
  const flags = `--api-server ${url} --token-file ${join(data, 'user.token')}`;
  return [
    `${agent} submit examples/jobs/hello.yaml --follow ${flags}`,
    `${agent} status ${flags}`,
    '',
    'Ctrl-C drains the worker and ends both.',
  ];
}

/** Resolves at the first signal to end. npm passes on what the terminal has sent already, so one may come twice. */
function signalled(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve());
  });
}

async function main(args: readonly string[]): Promise<number> {
  const unknown = args.find((arg) => arg !== '--serve');
  if (unknown !== undefined) {
    process.stderr.write(`There is no option ${unknown}.\n${usage}`);
    return 2;
  }
  return demonstrate(args.includes('--serve'));
}

main(process.argv.slice(2)).then(
  (code) => {
    process.exitCode = code;
  },
  (error: Error) => {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  },
);
