import { describe, expect, it } from 'vitest';
import { Room } from '../../src/health/room.js';

const GiB = 1024 ** 3;
const room = (freeMemory = 8 * GiB, freeDisk = 100 * GiB) =>
  new Room({
    cpus: 4,
    memory: () => ({ totalBytes: 8 * GiB, freeBytes: freeMemory }),
    disk: () => ({ totalBytes: 200 * GiB, freeBytes: freeDisk }),
    minFreeDiskBytes: 10 * GiB,
  });

describe('room on a worker', () => {
  it('is promised once: what running builds may use is not given again', () => {
    const host = room();
    const first = host.take({ memoryBytes: 6 * GiB });
    expect(() => host.take({ memoryBytes: 3 * GiB })).toThrow(
      'The job asks for 3GiB of memory; of this worker 2GiB are left.',
    );
    first[Symbol.dispose]();
    host.take({ memoryBytes: 3 * GiB });
  });

  it('is no more than what is free now', () => {
    expect(() => room(1 * GiB).take({ memoryBytes: 2 * GiB })).toThrow(/1GiB are left/);
  });

  it('leaves the disk floor to the agent', () => {
    expect(() => room().take({ diskBytes: 95 * GiB })).toThrow(/90GiB are left/);
    room().take({ diskBytes: 90 * GiB });
  });

  it('shares its CPUs, and refuses more than there are', () => {
    const host = room();
    host.take({ cpus: 4 });
    host.take({ cpus: 4 });
    expect(() => host.take({ cpus: 4.5 })).toThrow('The job asks for 4.5 CPUs; of this worker there are 4.');
  });

  it('does not hold back a job without limits', () => {
    room(0, 0).take({});
  });
});
