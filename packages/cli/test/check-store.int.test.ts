import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { refuse, S3Server } from '../../artifacts-s3/test/support/s3-server.js';
import { Lab } from './support/lab.js';

const keys = { AWS_ACCESS_KEY_ID: 'S3RVER', AWS_SECRET_ACCESS_KEY: 'S3RVER' };
let lab: Lab;
let s3: S3Server;

beforeAll(async () => {
  [lab, s3] = await Promise.all([Lab.open(), S3Server.start()]);
  await lab.startServer();
});
beforeEach(() => {
  s3.faults.splice(0);
  s3.seen.splice(0);
});
afterAll(async () => {
  await lab[Symbol.asyncDispose]();
  await s3[Symbol.asyncDispose]();
});

const at = (bucket: string, port = s3.port) => `s3://${bucket}/ci?endpoint=http://127.0.0.1:${port}`;
const worker = (place: string) =>
  lab.startWith(keys, ...lab.workerArgs('worker'), '--name', 'worker', '--artifact-store', place);
const doctor = async (place: string) => {
  const { ended } = lab.startWith(keys, 'doctor', '--json', ...lab.workerArgs('doctor'), '--artifact-store', place);
  const { exitCode, stdout } = await ended;
  const { checks } = JSON.parse(stdout) as { checks: ReadonlyArray<{ name: string }> };
  return { exitCode, check: checks.find(({ name }) => name === 'artifact store') };
};

describe('a bucket for artifacts', () => {
  test('that takes files lets a worker start, and keeps nothing of having been asked', async () => {
    const started = worker(at('builds'));
    await started.line('stderr', 'the worker takes jobs');
    expect(s3.count('POST', 'uploads')).toBe(1);
    expect(await s3.unfinished()).toEqual([]);
    started.kill('SIGTERM');
    expect((await started.ended).exitCode).toBe(0);
    expect(await doctor(at('builds'))).toEqual({
      exitCode: 0,
      check: { name: 'artifact store', state: 'ok', detail: 's3://builds/ci takes files' },
    });
  });

  test('that is not there ends a worker before any job, and doctor', async () => {
    const { exitCode, stderr } = await worker(at('nowhere')).ended;
    expect(exitCode).toBe(2);
    expect(stderr).toContain('--artifact-store: The bucket nowhere is not there.');
    expect(stderr).toContain('Make the bucket');
    expect(await doctor(at('nowhere'))).toMatchObject({ exitCode: 69, check: { state: 'missing' } });
  });

  test('that refuses the credentials ends an API server that would sign with them', async () => {
    s3.faults.push(refuse(403, 'InvalidAccessKeyId', 9));
    const server = lab.startWith(keys, 'api-server', '--port', '0', '--artifact-bucket', at('builds'));
    const { exitCode, stderr } = await server.ended;
    expect(exitCode).toBe(2);
    expect(stderr).toContain('--artifact-bucket: The S3 server refuses the credentials for the bucket builds.');
  });

  test('that does not answer is warned of, and the worker starts', async () => {
    s3.faults.push(() => true);
    const started = worker(at('builds'));
    await started.line('stderr', '--artifact-store: s3://builds/ci has not answered for 5 s.');
    await started.line('stderr', 'the worker takes jobs');
    started.kill('SIGTERM');
    expect((await started.ended).exitCode).toBe(0);
  });
});
