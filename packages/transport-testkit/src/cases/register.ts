import assert from 'node:assert/strict';
import { registration } from '@ritmo/protocol';
import { caseOf } from '../case.js';
import { assertShape } from '../shape.js';

const register = caseOf('register');

export const registerCases = [
  register('name', 'has a name', async (context) => {
    const { transport } = await context.connect();
    assert.match(transport.name, /^\S[^\n\r]*$/, 'the name must be one line of text');
  }),

  register('answer', 'answers a registration with all that a worker needs', async (context) => {
    const worker = await context.connect();
    const answer = await worker.register();
    assertShape('the registration', registration, answer);
    assert.ok(answer.heartbeatMs < answer.leaseTtlMs, 'a lease must live longer than the pause between two heartbeats');
    assert.deepEqual(answer.leases, [], 'a worker that is new holds no lease');
  }),

  register('again', 'takes the same registration again, and what was given stays given', async (context) => {
    const build = await context.build();
    const again = await build.worker.register(build.worker.registration?.resumeKey);
    assertShape('the registration', registration, again);
    await build.send('{"k":"log"}\n');
    assert.equal(await context.log(build), '{"k":"log"}\n');
  }),

  register('update', 'takes new labels and slots of a worker that is registered', async (context) => {
    const worker = await context.worker();
    const { transport, signal } = worker;
    await worker.bounded('update', transport.update({ labels: { zone: 'b' }, maxConcurrent: 2 }, signal));
  }),

  register('artifacts', 'has `artifacts` exactly when its place can show what was stored', async (context) => {
    const { transport } = await context.connect();
    const words = 'give the place a method `files`, or the transport no `artifacts`';
    assert.equal(transport.artifacts !== undefined, context.facts.artifacts, words);
  }),

  register('leave', 'lets a worker go, also one that is not there any more', async (context) => {
    const worker = await context.worker();
    const { transport, signal } = worker;
    await worker.bounded('deregister', transport.deregister(signal));
    await worker.bounded('deregister', transport.deregister(signal));
  }),
];
