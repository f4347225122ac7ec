import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { RitmoError } from '@ritmo/agent-core';
import type { CaseContext } from './context.js';
import type { KitBuild } from './build.js';

/** Every write of a lease that is not, or no longer, this worker's is refused with RITMO_FENCED and changes nothing. */
export async function assertFenced(
  context: CaseContext,
  stale: KitBuild,
  why: string,
  writes: KitBuild['writes'] = stale.writes,
): Promise<void> {
  for (const [name, write] of Object.entries(writes)) await assertRejects(`${name} ${why}`, ['RITMO_FENCED'], write);
  const ending = await context.ended(stale.lease.jobId);
  assert.notEqual(ending?.exitCode, 9, `finish ${why} was refused, and yet it is how the job ended`);
}

/** Rejects with a RitmoError of one of the codes. */
export async function assertRejects(
  what: string,
  codes: readonly string[],
  call: () => Promise<unknown>,
): Promise<void> {
  const words = codes.join(' or ');
  const error: unknown = await call().then(
    () => assert.fail(`${what} was taken; it must reject with ${words}`),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof RitmoError, `${what} must reject with a RitmoError, and not with ${inspect(error)}`);
  assert.ok(codes.includes(error.code), `${what} must reject with ${words}, and not with ${error.code}`);
}
