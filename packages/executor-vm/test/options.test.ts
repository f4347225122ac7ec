import { describe, expect, it, vi } from 'vitest';
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
    ['unix:///run/user/1000/docker.sock', 'unix:///run/user/1000/docker.sock'],
    ['tcp://somewhere:2375', 'unix:///var/run/docker.sock'],
    ['', 'unix:///var/run/docker.sock'],
  ])('take images from the socket that DOCKER_HOST=%s names, if any', (named, address) => {
    vi.stubEnv('DOCKER_HOST', named);
    expect(optionsSchema.parse({}).docker).toBe(address);
    expect(optionsSchema.parse({ docker: 'none' }).docker).toBe('none');
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
