import { resolve } from 'node:path';
import { Agent, folderArtifactStore } from '@ritmo/agent-core';
import { processExecutor } from '@ritmo/executor-process';
import { FolderTransport } from './folder-transport.js';

const folder = resolve(process.argv[2] ?? 'spool');
const agent = new Agent({
  transport: new FolderTransport(folder),
  executors: [processExecutor()],
  artifacts: folderArtifactStore(resolve(folder, 'artifacts')),
  stateDir: resolve(folder, 'state'),
});
agent.on('job:finished', ({ jobId, outcome }) => process.stdout.write(`${jobId}: ${outcome}\n`));
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void agent.drain());
await agent.start();
process.stdout.write(`taking jobs from ${folder}/inbox\n`);
await agent.done;
