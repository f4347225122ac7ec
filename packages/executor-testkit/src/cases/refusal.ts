import assert from 'node:assert/strict';
import type {
  ExecutorCapabilities,
  LimitName,
  Network,
  ResourceLimits,
  SandboxRequest,
} from '@ritmo/agent-core/executor';
import { caseOf } from '../case.js';
import type { CaseContext } from '../context.js';

const refusal = caseOf('refusal');

const networks = ['host', 'isolated', 'none'] as const satisfies readonly Network[];
const limits: Readonly<Record<LimitName, ResourceLimits>> = {
  cpu: { cpus: 1 },
  memory: { memoryBytes: 2 ** 28 },
  pids: { pids: 256 },
  disk: { diskBytes: 2 ** 28 },
};

/** Neither call may make anything: the request is refused, with nothing recorded and nothing left. */
async function assertRefused(context: CaseContext, over: Partial<SandboxRequest>): Promise<void> {
  const what = JSON.stringify(over);
  const scope = context.scope();
  const request = context.request(over);
  await assert.rejects(
    async () => {
      const volume = await context.allocate(request, scope);
      await context.prepare(request, volume, scope);
    },
    { code: 'RITMO_EXECUTOR_UNSUPPORTED' },
    `${what} was not refused with RITMO_EXECUTOR_UNSUPPORTED`,
  );
  assert.deepEqual(await context.residue(), [], `${what} was refused, and yet left something behind`);
}

const unless = (declared: (capabilities: ExecutorCapabilities) => boolean, reason: string) => ({
  needs: (capabilities: ExecutorCapabilities) => (declared(capabilities) ? reason : (true as const)),
});

export const refusalCases = [
  ...networks.map((network) =>
    refusal(
      `network-${network}`,
      `refuses network ${network}`,
      (context) => assertRefused(context, { network }),
      unless((declared) => declared.network.includes(network), `declares network ${network}`),
    ),
  ),

  ...(Object.keys(limits) as LimitName[]).map((name) =>
    refusal(
      `limit-${name}`,
      `refuses a limit of ${name}`,
      (context) => assertRefused(context, { limits: limits[name] }),
      unless((declared) => declared.limits.includes(name), `declares the limit ${name}`),
    ),
  ),

  refusal(
    'image',
    'refuses an image',
    (context) => assertRefused(context, { image: { reference: 'example.invalid/image:1', pull: ['never'] } }),
    unless((declared) => declared.images, 'declares images'),
  ),

  refusal(
    'services',
    'refuses services',
    (context) => {
      const image = { reference: 'example.invalid/image:1', pull: ['never' as const] };
      return assertRefused(context, { services: [{ name: 'db', image, env: {}, limits: {}, workspace: false }] });
    },
    unless((declared) => declared.services, 'declares services'),
  ),
];
