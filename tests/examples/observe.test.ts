import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { Agent, LocalTransport } from '@ritmo/agent-core';
import { processExecutor } from '@ritmo/executor-process';
import { parseJobFile } from '@ritmo/protocol';
import { expect, it } from 'vitest';
import { observe } from '../../examples/observe/telemetry.js';
import { startServer, stateFolder } from '../support/cluster.js';
import { runExample } from './run.js';

it('a build becomes a trace with a span for each step, and counts in the metrics', async () => {
  const spans = new InMemorySpanExporter();
  const traces = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] });
  const points = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter: points, exportIntervalMillis: 600_000 });
  const metrics = new MeterProvider({ readers: [reader] });
  const parsed = parseJobFile('name: seen\nsteps:\n  - { name: one, run: "true" }\n  - { name: two, run: exit 3 }\n');
  if (!parsed.ok) throw new Error('the job is wrong');
  const transport = new LocalTransport({ job: parsed.job, secrets: {}, onLog: () => undefined });
  const agent = new Agent({ transport, executors: [processExecutor()], stateDir: await stateFolder() });
  {
    using _observing = observe(agent, traces.getTracer('test'), metrics.getMeter('test'));
    await agent.runUntil(transport.result);
    await reader.forceFlush();
  }
  const found = spans.getFinishedSpans();
  const build = found.find(({ name }) => name === 'build seen');
  expect(build?.attributes).toMatchObject({ 'ritmo.job': transport.jobId, 'ritmo.outcome': 'failed' });
  const children = found.filter((span) => span !== build);
  expect(children.map(({ name }) => name)).toEqual(['prepare', 'step one', 'step two']);
  for (const { parentSpanContext } of children) expect(parentSpanContext?.spanId).toBe(build?.spanContext().spanId);
  expect(children.at(-1)).toMatchObject({ attributes: { 'ritmo.exit_code': 3 }, status: { code: 2 } });

  const [{ scopeMetrics } = { scopeMetrics: [] }] = points.getMetrics();
  const byName = new Map(scopeMetrics.flatMap((scope) => scope.metrics.map((one) => [one.descriptor.name, one])));
  expect([...byName.keys()].toSorted()).toEqual(['ritmo.builds', 'ritmo.slots.taken', 'ritmo.step.duration']);
  expect(byName.get('ritmo.builds')?.dataPoints).toMatchObject([{ value: 1, attributes: { outcome: 'failed' } }]);
  await traces.shutdown();
  await metrics.shutdown();
});

it('the program prints the spans of one build of a server, and ends', async () => {
  const server = await startServer();
  const id = await server.submit({ name: 'printed', steps: [{ name: 'say', run: 'echo hi' }] });
  const { exitCode, stdout, stderr } = await runExample('examples/observe/main.ts', [], {
    env: { RITMO_API_SERVER: server.url, RITMO_TOKEN_FILE: server.registrationTokenFile },
  });
  expect(stderr).toBe('');
  expect(exitCode).toBe(0);
  for (const text of ["name: 'build printed'", "name: 'step say'", `'ritmo.job': '${id}'`, "name: 'ritmo.builds'"])
    expect(stdout).toContain(text);
});
