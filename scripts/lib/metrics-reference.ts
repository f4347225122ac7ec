import { Agent, LocalTransport } from '@ritmo/agent-core';
import { AgentMetrics } from '../../packages/core/src/health/metrics.js';
import { Metrics, type MetricSources } from '../../packages/api-server/src/metrics.js';

/** The reference page of all metrics, as it lies in docs/reference/metrics.md. */
export async function metricsReference(): Promise<string> {
  return [
    head,
    '## Of the worker\n',
    table(await agentText()),
    '\n## Of the API server\n',
    table(serverText()),
    '',
  ].join('\n');
}

/** What an agent that never started would answer: every family is there from the beginning. */
async function agentText(): Promise<string> {
  const job = { version: 1, name: 'none', steps: [{ run: 'true' }] } as unknown as ConstructorParameters<
    typeof LocalTransport
  >[0]['job'];
  const agent = new Agent({
    transport: new LocalTransport({ job, secrets: {}, onLog: () => undefined }),
    executors: [{ name: 'none', open: () => Promise.reject(new Error('it is never started')) }],
    stateDir: '/nonexistent',
  });
  using metrics = new AgentMetrics(agent);
  return await metrics.text();
}

function serverText(): string {
  const none = { all: () => [], countByState: () => new Map(), size: 0, waiting: 0, open: 0, bytesKept: 0 };
  const sources = { jobs: none, directory: none, leases: none, claims: none, events: none, logs: none, blobs: none };
  return new Metrics().text(sources as unknown as MetricSources);
}

/** Families in the text form of Prometheus, those of ours. */
function table(text: string): string {
  const types = new Map([...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name, type]));
  const rows = [...text.matchAll(/^# HELP (ritmo_\S+) (.*)$/gm)].map(
    ([, name = '', about = '']) => `| \`${name}\` | ${types.get(name)} | ${about.replace(/\.$/, '')} |`,
  );
  return ['| name | type | what |', '|---|---|---|', ...rows].join('\n');
}

const head = `# Metrics

<!-- Generated from the code by \`pnpm docs:generate\`; a test fails when it is stale. -->

In the text form of Prometheus: of a worker at \`/metrics\` of its \`--health-addr\`, of the API server at \`/metrics\`. Beside these
stand those of the process (\`process_…\`, \`nodejs_…\`). Times are in seconds, sizes in bytes; no label holds what a job may choose.
`;
