import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { ArtifactTransport } from '@ritmo/agent-core';
import { type ArtifactFile, artifactPlan } from '@ritmo/protocol';
import { type KitBuild, sha256 } from '../build.js';
import { caseOf, needs } from '../case.js';
import { assertRejects } from '../refusals.js';
import { assertShape } from '../shape.js';

const artifacts = caseOf('artifacts');

function fileOf(path: string, bytes: Uint8Array): ArtifactFile {
  const contentType = 'application/octet-stream';
  return { artifactId: randomUUID(), name: 'made', path, size: bytes.length, mode: 0o644, contentType };
}

function artifactsOf({ worker }: KitBuild): ArtifactTransport {
  assert.ok(worker.transport.artifacts !== undefined, 'the transport has no `artifacts`');
  return worker.transport.artifacts;
}

/** Announces a file and sends its bytes, in one piece or in parts, as the plan says. Answers what completes it. */
async function send(build: KitBuild, file: ArtifactFile, bytes: Uint8Array): Promise<readonly string[]> {
  const { lease, worker } = build;
  const transport = artifactsOf(build);
  const [plan] = await worker.bounded('plan', transport.plan(lease, [file], worker.signal));
  assertShape('the plan of a file', artifactPlan, plan);
  assert.equal(plan?.artifactId, file.artifactId);
  if (plan.stored === true) return [];
  const targets = plan.parts?.targets ?? (plan.upload === undefined ? [] : [plan.upload]);
  assert.ok(targets.length > 0, 'a file that is not stored must have somewhere to go');
  const partSize = plan.parts?.partSize ?? bytes.length;
  const etags: string[] = [];
  for (const [index, target] of targets.entries()) {
    const part = bytes.subarray(index * partSize, (index + 1) * partSize);
    const sending = transport.upload(lease, target, each(part), part.length, worker.signal);
    const { etag } = await worker.bounded('upload', sending, 60_000);
    if (etag !== undefined) etags.push(etag);
  }
  return plan.parts === undefined ? [] : etags;
}

function complete(build: KitBuild, file: ArtifactFile, hash: string, etags: readonly string[] = []): Promise<void> {
  const { lease, worker } = build;
  const done = { sha256: hash, ...(etags.length === 0 ? {} : { etags }) };
  return worker.bounded('complete', artifactsOf(build).complete(lease, file.artifactId, done, worker.signal));
}

async function* each(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
}

const some = Buffer.from('what a build made\n'.repeat(20_000));

export const artifactCases = [
  artifacts(
    'store',
    'stores a file as it was sent',
    async (context) => {
      const build = await context.build();
      const file = fileOf('out/a file.bin', some);
      await complete(build, file, sha256(some), await send(build, file, some));
      const { jobId, epoch } = build.lease;
      const stored = await context.place.files?.(jobId, epoch);
      assert.deepEqual([...(stored ?? new Map()).keys()], ['out/a file.bin']);
      assert.ok(some.equals(stored?.get('out/a file.bin') ?? Buffer.of()), 'other bytes are stored than were sent');
    },
    needs('artifacts'),
  ),

  artifacts(
    'repeat',
    'takes each call again: one file is stored',
    async (context) => {
      const build = await context.build();
      const file = fileOf('out.bin', some);
      await send(build, file, some);
      const etags = await send(build, file, some);
      await complete(build, file, sha256(some), etags);
      await complete(build, file, sha256(some), etags);
      assert.deepEqual(await send(build, file, some), [], 'a file that is stored need not be sent');
      const { jobId, epoch } = build.lease;
      assert.deepEqual([...((await context.place.files?.(jobId, epoch)) ?? new Map()).keys()], ['out.bin']);
    },
    needs('artifacts'),
  ),

  artifacts(
    'empty',
    'stores a file without bytes',
    async (context) => {
      const build = await context.build();
      const none = Buffer.of();
      const file = fileOf('empty', none);
      const { lease, worker } = build;
      const [plan] = await worker.bounded('plan', artifactsOf(build).plan(lease, [file], worker.signal));
      assert.equal(plan?.stored, true, 'there is nothing to send: the plan says that it is stored');
      const stored = await context.place.files?.(lease.jobId, lease.epoch);
      assert.equal(stored?.get('empty')?.length, 0);
    },
    needs('artifacts'),
  ),

  artifacts(
    'sha256',
    'refuses a file that is not the one that was meant',
    async (context) => {
      const build = await context.build();
      const file = fileOf('out.bin', some);
      const etags = await send(build, file, some);
      const wrong = sha256(Buffer.from('something else'));
      await assertRejects('another sha256', ['RITMO_ARTIFACT_UPLOAD', 'RITMO_CONFLICT'], () =>
        complete(build, file, wrong, etags),
      );
      const { jobId, epoch } = build.lease;
      assert.deepEqual([...((await context.place.files?.(jobId, epoch)) ?? new Map()).keys()], []);
    },
    needs('artifacts'),
  ),

  artifacts(
    'fenced',
    'takes no file of an attempt that is not this worker’s',
    async (context) => {
      const build = await context.build();
      const stale = build.under(build.lease.epoch + 1);
      await assertRejects('a plan under an epoch to come', ['RITMO_FENCED'], () =>
        send(stale, fileOf('out.bin', some), some),
      );
    },
    needs('artifacts'),
  ),
];
