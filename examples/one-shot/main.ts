import { mkdtemp, rm } from 'node:fs/promises';
import { chmodSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent, folderArtifactStore, LocalTransport } from '@ritmo/agent-core';
import { processExecutor } from '@ritmo/executor-process';
import { LogLineSplitter, parseJobFile } from '@ritmo/protocol';

const parsed = parseJobFile(`
name: one-shot
steps:
  - run: echo "built at $(date +%F)" | tee report.txt
artifacts:
  - { name: report, paths: [report.txt] }
`);
if (!parsed.ok) throw new Error(parsed.problems.map(({ message }) => message).join('\n'));

const stateDir = await mkdtemp(join(tmpdir(), 'one-shot-'));
// Builds run as users of their own, who walk through to their workspace.
chmodSync(stateDir, 0o711);
const lines = new LogLineSplitter();
const transport = new LocalTransport({
  job: parsed.job,
  secrets: {},
  onLog: (bytes) => {
    for (const record of lines.push(bytes)) if (record.k === 'out') process.stdout.write(record.m);
  },
});
const agent = new Agent({
  transport,
  executors: [processExecutor()],
  artifacts: folderArtifactStore(join(process.cwd(), 'artifacts')),
  stateDir,
});
try {
  // Starts the agent, waits for the job, lets the agent end; throws what went wrong with either.
  const { outcome } = await agent.runUntil(transport.result);
  process.stdout.write(`${outcome}\n`);
  process.exitCode = outcome === 'succeeded' ? 0 : 1;
} finally {
  await rm(stateDir, { recursive: true, force: true });
}
