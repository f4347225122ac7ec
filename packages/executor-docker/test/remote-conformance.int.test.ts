import { afterAll, expect, it } from 'vitest';
import { describeExecutor } from '@ritmo/executor-testkit/vitest';
import { findDaemon } from '../src/docker/address.js';
import { busyboxImage, makeBusyboxImage } from './support/images.js';
import { startRemoteDaemon } from './support/remote-daemon.js';
import { Worker } from './support/host.js';
import { Witness } from './support/witness.js';

const daemon = await startRemoteDaemon();
const { address } = daemon;
afterAll(() => daemon[Symbol.asyncDispose]());
const witness = new Witness(address);
await makeBusyboxImage(address);

it('is the remote way that is looked at here, found by trying', async () => {
  expect((await findDaemon(address)).address).toBe(address);
  await using worker = await Worker.open({ address });
  const report = await worker.executor.probe(AbortSignal.timeout(10_000));
  expect(report.facts).toMatchObject({ way: 'remote', noFifoWay: 'daemon and agent share no file system' });
  expect(worker.executor.capabilities).toMatchObject({ recover: false, services: false, network: ['none'] });
  expect('recover' in worker.executor && worker.executor.recover !== undefined).toBe(false);
});

describeExecutor({
  name: 'the docker executor, the remote way',
  open: (host) => witness.open(host, { address }),
  residue: (ownerId, stateDir) => Promise.resolve(witness.residue(ownerId, stateDir)),
  image: busyboxImage,
  timeScale: 3,
});
