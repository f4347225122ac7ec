import { expect, it } from 'vitest';
import { startAgent } from '../support/agent.js';
import { readyWorker, startServer } from '../support/cluster.js';
import { startFaultProxy } from '../support/fault-proxy.js';
import { processesWithMarker } from '../support/witness.js';

it('a log that was changed on its way is sent again when it is sealed, and who follows it is told and reads it again', async () => {
  const server = await startServer({ heartbeatMs: 300 });
  const proxy = await startFaultProxy(server.url);
  const isSealed = () => proxy.calls.some((call) => call.endsWith('/log/seal'));
  proxy.fault = (call) => (/^PUT .*\/log\?/.test(call) && !isSealed() ? 'spoil-body' : 'pass');
  const worker = await readyWorker(server, { url: proxy.url });
  const id = await server.submit({
    name: 'changed',
    steps: [{ name: 'Print line', run: 'echo first; sleep 1000.75 || echo second' }],
  });
  const reader = startAgent([
    ...['logs', id, '--follow', '--api-server', server.url],
    ...['--token-file', server.userTokenFile],
  ]);
  await reader.stdout.waitFor(/first/);
  expect(reader.stdout.text).toContain('Print lime');
  while ((await processesWithMarker('sleep\u00001000.75')).length === 0) await new Promise((go) => setImmediate(go));
  for (const { pid } of await processesWithMarker('sleep\u00001000.75')) process.kill(pid);
  expect((await reader.ended).exitCode).toBe(0);
  expect(reader.stderr.text).toMatch(/sent its log anew/);
  const again = reader.stdout.text.split('Print lime').at(-1);
  expect(again).toMatch(/Print line[^]*first[^]*second/);
  expect((await server.ended(id)).state).toBe('succeeded');
  expect(await server.output(id)).toMatch(/^first\n[^]*second\n$/);
  expect(JSON.stringify(await server.records(id))).not.toContain('lime');
  worker.kill('SIGTERM');
  await worker.ended;
});
