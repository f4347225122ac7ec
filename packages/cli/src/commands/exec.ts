import { randomBytes } from 'node:crypto';
import { join, relative, resolve } from 'node:path';
import { Agent, folderArtifactStore, LocalTransport, silentLogger } from '@ritmo/agent-core';
import { LogLineSplitter } from '@ritmo/protocol';
import { agentLog } from '../agent-log.js';
import { openCacheStore } from '../cache-store.js';
import { inFreePlace } from '../exec-place.js';
import { exitCodeOfJob } from '../exit-codes.js';
import { bindChosen } from '../isolation/bind-chosen.js';
import { readJob, readSecrets, requireSecrets, withLocalSource } from '../job-input.js';
import type { execKeys } from '../options/groups.js';
import { defaultStateDir } from '../paths.js';
import { logPrinter } from '../render/log-printer.js';
import { storingBar } from '../render/storing-bar.js';
import { onStopSignals } from '../signals.js';
import { version } from '../version.js';
import type { Context } from './command.js';

/** Runs one job here, by the same code as a worker, and ends as the job does. The first signal cancels it, the second leaves out its cleanup. */
export async function exec({ settings, args, io }: Context<(typeof execKeys)[number]>): Promise<number> {
  const path = args[0] ?? '-';
  const job = withLocalSource(await readJob(path), path);
  const secrets = await readSecrets(job, settings, io.env);
  const executors = await bindChosen(settings);
  requireSecrets(job, secrets);
  const log = settings.logLevel === undefined ? silentLogger : agentLog(settings.logLevel, io);
  const artifactsDir = resolve(settings.artifactsDir ?? 'ritmo-artifacts');
  const jobId = `exec-${randomBytes(4).toString('hex')}`;
  // The agent's own log goes to the same terminal and would run into a line that comes and goes.
  using printer = logPrinter(io.out, { json: settings.json, live: settings.logLevel === undefined });
  const bar = storingBar();
  const splitter = new LogLineSplitter();

  let cancel = (): void => undefined;
  let stop = (): void => undefined;
  let cancelled = false;
  using _signals = onStopSignals([
    () => {
      cancelled = true;
      cancel();
    },
    // Without the cleanup steps, but with nothing left behind; the third ends at once.
    () => stop(),
  ]);
  let stored = 0;
  const stateDir = resolve(settings.stateDir ?? defaultStateDir(io.env));
  const caches = await openCacheStore(settings, stateDir);
  const { agent, transport } = await inFreePlace(stateDir, async (folder) => {
    const local = new LocalTransport({
      job,
      secrets,
      jobId,
      onLog: (bytes) => {
        for (const line of splitter.lines(bytes)) printer.print(line);
      },
    });
    const runner = new Agent({
      transport: local,
      executors,
      maxConcurrent: 1,
      artifacts: folderArtifactStore(artifactsDir),
      ...(caches === undefined ? {} : { caches }),
      stateDir: folder,
      // There is nobody else who could run it.
      health: { minFreeDiskBytes: 0 },
      policy: {
        // Whoever runs this program can read those anyway.
        allowLocalSources: true,
        ...(settings.maxLogSize === undefined ? {} : { maxLogBytes: settings.maxLogSize }),
      },
      log,
      version,
    });
    runner.on('artifact:stored', () => {
      stored += 1;
    });
    runner.on('artifact:progress', (progress) => printer.goesOn(bar(progress)));
    await runner.start();
    return { agent: runner, transport: local };
  });
  cancel = () => transport.cancel('user');
  stop = () => void agent.stop().catch(() => undefined);
  if (cancelled) cancel();

  const result = await Promise.race([transport.result, agent.done.then(() => transport.result)]);
  await agent.drain();
  printer.end({
    state: result.outcome,
    durationMs: result.durationMs,
    failure: result.failure,
    steps: result.steps,
  });
  if (stored > 0 && !settings.json) {
    const where = relative(process.cwd(), join(artifactsDir, jobId)) || '.';
    io.err.write(io.err.style.dim(`artifacts: ${stored} ${stored === 1 ? 'file' : 'files'} in ${where}`) + '\n');
  }
  return exitCodeOfJob(result.outcome);
}
