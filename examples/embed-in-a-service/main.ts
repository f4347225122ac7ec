import { readFileSync } from 'node:fs';
import { startService } from './service.js';

const { env } = process;
const service = await startService({
  port: Number(env['PORT'] ?? 3000),
  stateDir: env['STATE_DIR'] ?? './ritmo-state',
  apiServer: env['RITMO_API_SERVER'] ?? 'localhost:8080',
  registrationToken: readFileSync(env['RITMO_TOKEN_FILE'] ?? 'registration.token', 'utf8').trim(),
  drainMs: 10 * 60_000,
});
process.stdout.write(`listening on ${service.address}\n`);

// The library listens to no signal: what one means is the service's to say.
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void service.close());
await service.done;
process.stdout.write('ended\n');
