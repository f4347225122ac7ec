import type { Agent, AgentEvents } from '@ritmo/agent-core';
import { type Meter, type Span, SpanStatusCode, type Tracer, trace, ROOT_CONTEXT } from '@opentelemetry/api';

interface BuildSpans {
  readonly job: Span;
  readonly steps: Map<number, Span>;
}

/**
 * Tells OpenTelemetry what an agent does: a trace for each build with a span for its preparation and for each step,
 * and metrics of builds and steps. Only the API is needed here: which SDK and exporter, the program decides.
 */
export function observe(agent: Agent, tracer: Tracer, meter: Meter): Disposable {
  const builds = new Map<string, BuildSpans>();
  const ended = meter.createCounter('ritmo.builds', { description: 'Builds that have ended, by outcome' });
  const durations = meter.createHistogram('ritmo.step.duration', {
    unit: 's',
    description: 'Steps, by how they ended',
  });
  const slots = meter.createObservableGauge('ritmo.slots.taken', { description: 'Slots that a build holds' });
  const readSlots: Parameters<typeof slots.addCallback>[0] = (result) =>
    result.observe(agent.status.worker?.slots.held ?? 0);
  slots.addCallback(readSlots);

  const inBuild = ({ job }: BuildSpans) => trace.setSpan(ROOT_CONTEXT, job);
  const listeners: Listeners = {
    'job:claimed': ({ jobId, epoch, name }) => {
      const job = tracer.startSpan(`build ${name}`, { attributes: { 'ritmo.job': jobId, 'ritmo.epoch': epoch } });
      builds.set(jobId, { job, steps: new Map() });
    },
    'job:prepared': ({ jobId, durationMs, sandboxId }) => {
      const build = builds.get(jobId);
      if (!build) return;
      const attributes = { 'ritmo.sandbox': sandboxId };
      tracer.startSpan('prepare', { startTime: Date.now() - durationMs, attributes }, inBuild(build)).end();
    },
    'step:started': ({ jobId, index, name }) => {
      const build = builds.get(jobId);
      build?.steps.set(index, tracer.startSpan(`step ${name}`, {}, inBuild(build)));
    },
    'step:finished': ({ jobId, index, exit, durationMs }) => {
      durations.record(durationMs / 1000, { status: exit.status });
      const span = builds.get(jobId)?.steps.get(index);
      if (exit.status === 'exited') span?.setAttribute('ritmo.exit_code', exit.code);
      if (exit.status !== 'exited' || exit.code !== 0)
        span?.setStatus({ code: SpanStatusCode.ERROR, message: exit.status });
      span?.end();
    },
    'job:finished': ({ jobId, outcome }) => {
      ended.add(1, { outcome });
      const job = builds.get(jobId)?.job.setAttribute('ritmo.outcome', outcome);
      if (outcome !== 'succeeded') job?.setStatus({ code: SpanStatusCode.ERROR, message: outcome });
      job?.end();
      builds.delete(jobId);
    },
    // Handed back before its first step: there is nothing to show.
    'job:released': ({ jobId }) => void builds.delete(jobId),
  };
  const undo = [...eachListener(agent, listeners)];
  return {
    [Symbol.dispose]() {
      for (const off of undo) off();
      slots.removeCallback(readSlots);
    },
  };
}

type Listeners = { readonly [Name in keyof AgentEvents]?: (event: AgentEvents[Name][0]) => void };

function* eachListener(agent: Agent, listeners: Listeners): Generator<() => void> {
  const listen = <Name extends keyof AgentEvents>(name: Name) => {
    const listener = listeners[name] as (...event: AgentEvents[Name]) => void;
    agent.on(name, listener);
    return () => void agent.off(name, listener);
  };
  for (const name of Object.keys(listeners) as (keyof AgentEvents)[]) yield listen(name);
}
