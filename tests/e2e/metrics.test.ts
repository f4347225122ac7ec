import { expect, it } from 'vitest';
import { readyWorker, startServer } from '../support/cluster.js';
import { startFaultProxy } from '../support/fault-proxy.js';

/** What an operator draws and alerts on, and what each shows after one build that succeeded and one that was cancelled. */
const series: readonly RegExp[] = [
  /^ritmo_agent_builds_total\{outcome="succeeded"\} 1$/m,
  /^ritmo_agent_builds_total\{outcome="cancelled"\} 1$/m,
  /^ritmo_agent_builds_running\{phase="running"\} 1$/m,
  /^ritmo_agent_build_seconds_count\{outcome="succeeded"\} 1$/m,
  /^ritmo_agent_step_seconds_bucket\{le="\+Inf",status="exited"\} [1-9]/m,
  /^ritmo_agent_slots 2$/m,
  /^ritmo_agent_slots_taken 1$/m,
  /^ritmo_agent_claims_total\{result="job"\} [1-9]/m,
  /^ritmo_agent_heartbeats_total\{result="answered"\} [1-9]/m,
  /^ritmo_agent_heartbeat_seconds_count [1-9]/m,
  /^ritmo_agent_log_bytes_total [1-9]/m,
  /^ritmo_agent_spool_bytes [1-9]/m,
  /^ritmo_agent_retries_total [1-9]/m,
  /^ritmo_agent_cancel_seconds_count 1$/m,
  /^ritmo_agent_sandbox_start_seconds_count [23]$/m,
  /^ritmo_agent_disk_free_bytes [1-9]/m,
  /^ritmo_agent_executor_usable\{executor="process"\} 1$/m,
  /^ritmo_agent_ready 1$/m,
  /^nodejs_eventloop_lag_p99_seconds \d/m,
  /^process_resident_memory_bytes [1-9]/m,
];

it('a real worker shows every figure at its health address', async () => {
  const server = await startServer({ heartbeatMs: 200 });
  const proxy = await startFaultProxy(server.url);
  let failed = 0;
  proxy.fault = (call) => (call.endsWith('/claims') && failed++ === 0 ? 'reset' : 'pass');
  const worker = await readyWorker(server, { url: proxy.url, flags: ['--health-addr', '0'] });
  const [, url = ''] = await worker.stderr.waitFor(/"url":"(http:[^"]+)","msg":"health/);
  const good = await server.submit({ name: 'good', steps: [{ run: 'echo one' }] });
  expect((await server.ended(good)).state).toBe('succeeded');
  const stopped = await server.submit({ name: 'stopped', grace: 100, steps: [{ run: 'sleep 600' }] });
  await server.when(stopped, ['running']);
  await server.call('POST', `/v1/jobs/${stopped}/cancel`, {});
  await server.when(stopped, ['cancelled']);
  const runs = await server.submit({ name: 'runs', steps: [{ run: 'echo on; sleep 600' }] });
  for (const limit = AbortSignal.timeout(60_000); ; ) {
    const text = await (await fetch(`${url}/metrics`)).text();
    const missing = series.filter((pattern) => !pattern.test(text));
    if (missing.length === 0) break;
    if (limit.aborted) expect({ missing, text }).toEqual({ missing: [], text });
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await server.call('POST', `/v1/jobs/${runs}/cancel`, {});
  await server.when(runs, ['cancelled']);
});
