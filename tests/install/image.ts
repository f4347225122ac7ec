import { startApiServer } from '@ritmo/api-server';
import { execa } from 'execa';
import { chmod, cp, mkdir, mkdtemp, realpath, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { answers, findDockerd, startDaemon } from '../../packages/executor-docker/test/support/daemon.js';
import { makeDebianImage } from '../../packages/executor-docker/test/support/debian.js';
import { busyboxImage, makeBusyboxImage } from '../../packages/executor-docker/test/support/images.js';
import { programArgv } from '../support/program-argv.js';
import { root } from '../support/workspace.js';
import { nodeFolder } from './nodes.js';

/**
 * `npm run install:image`: builds deploy/docker/Dockerfile as root and has a worker of it run a job, a line for each thing
 * that works. Where its base image is not there, one of packages of this host and Node of the npm registry stands for it.
 */
const base = 'node:22-bookworm-slim';
const image = 'ritmo-test/ritmo-agent:1';
const name = `ritmo-image-${process.pid}`;
const usual = '/var/run/docker.sock';

const folder = await mkdtemp(join(tmpdir(), 'ritmo-image-'));
const dockerd = findDockerd();
const daemon =
  process.env['DOCKER_HOST'] === undefined && !(await answers(usual)) && dockerd !== undefined
    ? await startDaemon(dockerd, 'bridge')
    : undefined;
if (daemon !== undefined) process.env['DOCKER_HOST'] = `unix://${daemon.socket}`;
try {
  await chmod(folder, 0o711);
  if (!(await there(base))) await makeBase();
  // Its registries are those of this host.
  await docker('build', '--network', 'host', '-f', 'deploy/docker/Dockerfile', '-t', image, '.');
  say(`the Dockerfile is built: ${await docker('image', 'inspect', '--format', '{{.Size}}', image)} bytes`);
  await makeBusyboxImage();
  await worksAsWorker();
} finally {
  await execa('docker', ['rm', '--force', '--volumes', name], { reject: false });
  await daemon?.[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
}

async function docker(...args: readonly string[]): Promise<string> {
  return (await execa('docker', args, { cwd: root })).stdout.trim();
}

async function there(reference: string): Promise<boolean> {
  return (await execa('docker', ['image', 'inspect', reference], { reject: false })).exitCode === 0;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** A Debian with Node and npm, and the settings by which this host reaches its registries. */
async function makeBase(): Promise<void> {
  const context = join(folder, 'base');
  const local = join(context, 'usr/local');
  await mkdir(join(local, 'lib/node_modules'), { recursive: true });
  await cp(await nodeFolder('22'), join(local, 'bin'), { recursive: true });
  const npm = dirname(dirname(await realpath((await execa('which', ['npm'])).stdout)));
  await cp(npm, join(local, 'lib/node_modules/npm'), { recursive: true });
  for (const path of ['/etc/apt', '/etc/ssl/certs', '/usr/share/keyrings']) {
    await cp(path, join(context, path), { recursive: true, dereference: true });
  }
  const registry = (await execa('npm', ['config', 'get', 'registry'], { cwd: root })).stdout;
  const links = ['npm', 'npx'].map((each) => `ln -s ../lib/node_modules/npm/bin/${each}-cli.js /usr/local/bin/${each}`);
  const lines = [
    `FROM ${await makeDebianImage()}`,
    'COPY . /',
    `RUN rm -f /Dockerfile && ${links.join(' && ')}`,
    `ENV npm_config_registry=${registry} NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt`,
  ];
  await writeFile(join(context, 'Dockerfile'), `${lines.join('\n')}\n`);
  await docker('build', '-t', base, context);
  say(`${base} is a stand-in: ${await docker('run', '--rm', '--network', 'none', base, 'node', '--version')}`);
}

/** As docs/guides/operate-a-worker.md has it. */
async function worksAsWorker(): Promise<void> {
  const quiet = { info: () => undefined, warn: () => undefined, error: console.error };
  const dataDir = join(folder, 'server');
  const server = await startApiServer({ dataDir, port: 0, heartbeatMs: 500, log: quiet });
  try {
    const token = join(folder, 'token');
    await cp(join(dataDir, 'registration.token'), token);
    await execa('chown', ['64000', token]);
    const socket = (process.env['DOCKER_HOST'] ?? `unix://${usual}`).replace('unix://', '');
    await docker(
      ...['run', '--detach', '--name', name, '--network', 'host', '--health-interval', '2s'],
      ...['--group-add', String((await stat(socket)).gid), '--volume', `${socket}:${usual}`],
      ...['--volume', `${token}:/etc/ritmo/token:ro`, image],
      ...['start', '--api-server', server.url, '--token-file', '/etc/ritmo/token', '--name', 'in-a-container'],
    );
    await untilHealthy();
    say('its worker answers its health check');
    const job = join(folder, 'job.yaml');
    const steps = "[{run: 'echo made > file; echo hello of the job'}]\nartifacts: [{name: made, paths: [file]}]";
    await writeFile(
      job,
      `name: in-a-container\nimage: {reference: '${busyboxImage}', pull: [never]}\nsteps: ${steps}\n`,
    );
    const flags = ['--api-server', server.url, '--token-file', join(dataDir, 'user.token'), '--follow'];
    const [node, ...argv] = programArgv('packages/cli/dist/bin.js', 'submit', job, ...flags);
    const { all, exitCode } = await execa(node, argv, { all: true, reject: false });
    if (exitCode !== 0 || !all.includes('hello of the job')) throw new Error(`the job did not run: ${all}`);
    say('it ran a job of the docker isolation');
    await docker('stop', '--time', '60', name);
    say(`it drained, with exit code ${await docker('inspect', '--format', '{{.State.ExitCode}}', name)}`);
  } catch (error) {
    process.stderr.write((await execa('docker', ['logs', name], { all: true, reject: false })).all ?? '');
    throw error;
  } finally {
    await server.close();
  }
}

async function untilHealthy(): Promise<void> {
  for (;;) {
    const state = await docker('inspect', '--format', '{{.State.Status}} {{.State.Health.Status}}', name);
    if (state === 'running healthy') return;
    if (!state.startsWith('running') || state.endsWith('unhealthy')) throw new Error(`the container is ${state}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
