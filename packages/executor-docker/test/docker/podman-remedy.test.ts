import { expect, it } from 'vitest';
import { podmanRemedy } from '../../src/docker/podman-remedy.js';

it('names what Podman needs beside itself', () => {
  const said = 'container create: error looking up container-init binary: exec: "catatonit": not found';
  expect(podmanRemedy(said)).toContain('apt-get install catatonit');
  expect(podmanRemedy('crun: setrlimit `RLIMIT_NPROC`: OCI runtime error: error setting rlimits')).toContain(
    'default_ulimits',
  );
  expect(podmanRemedy('no space left on device')).toBeUndefined();
});
