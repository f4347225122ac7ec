import { describeExecutor } from '@ritmo/executor-testkit/vitest';
import { busyboxImage, makeBusyboxImage } from './support/images.js';
import { Witness } from './support/witness.js';

const witness = new Witness();
await makeBusyboxImage();

describeExecutor({
  name: 'the docker executor',
  open: (host) => witness.open(host),
  residue: (ownerId, stateDir) => Promise.resolve(witness.residue(ownerId, stateDir)),
  image: busyboxImage,
  timeScale: 2,
});
