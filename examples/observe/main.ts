import { chmodSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConsoleMetricExporter, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { BasicTracerProvider, ConsoleSpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { Agent, HttpTransport } from '@ritmo/agent-core';
import { processExecutor } from '@ritmo/executor-process';
import { observe } from './telemetry.js';

// The exporters of OpenTelemetry that print; put those of OTLP in their place.
const traces = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(new ConsoleSpanExporter())] });
const metrics = new MeterProvider({
  readers: [new PeriodicExportingMetricReader({ exporter: new ConsoleMetricExporter() })],
});

const stateDir = await mkdtemp(join(tmpdir(), 'observe-'));
chmodSync(stateDir, 0o711);
const agent = new Agent({
  transport: new HttpTransport({
    apiServer: process.env['RITMO_API_SERVER'] ?? 'localhost:8080',
    registrationToken: readFileSync(process.env['RITMO_TOKEN_FILE'] ?? 'registration.token', 'utf8').trim(),
  }),
  executors: [processExecutor()],
  stateDir,
  // Ends after one build.
  until: { jobs: 1 },
});
const observing = observe(agent, traces.getTracer('my-worker'), metrics.getMeter('my-worker'));
try {
  await agent.start();
  await agent.done;
} finally {
  observing[Symbol.dispose]();
  await traces.shutdown();
  await metrics.shutdown();
  await rm(stateDir, { recursive: true, force: true });
}
