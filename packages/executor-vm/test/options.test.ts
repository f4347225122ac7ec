import { describe, expect, it } from 'vitest';
import { optionsSchema, vmExecutor } from '../src/index.js';

describe('options of the vm executor', () => {
  it('have defaults', () => {
    expect(optionsSchema.parse({})).toMatchObject({
      accelerator: 'auto',
      cpus: 1,
      pids: 4096,
      images: {},
      warmMachines: 0,
    });
  });

  it.each([
    { kernel: 'relative' },
    { cacheDir: '/with,comma' },
    { images: { name: {} } },
    { images: { name: { tar: '/a', folder: '/b' } } },
    { images: { name: { disk: '/a' } } },
    { images: { name: { tar: '/a', format: 'raw' } } },
    { images: { name: { tar: '/a', user: 'a b' } } },
    { memoryBytes: 1 },
    { docker: 'tcp://somewhere' },
    { warmMachines: -1 },
    { warmMachines: 1.5 },
    { unknown: true },
  ])('are refused when they are wrong (%#)', (options) => {
    expect(() => vmExecutor(options as object)).toThrow(expect.objectContaining({ code: 'RITMO_USAGE' }));
  });
});
