import type { ExecutorCapabilities } from '@ritmo/agent-core/executor';

export const capabilities: ExecutorCapabilities = {
  isolation: 'namespace',
  defaultNetwork: 'isolated',
  images: false,
  services: false,
  network: ['isolated', 'none'],
  limits: ['cpu', 'memory', 'pids', 'disk'],
  os: ['linux'],
  arch: ['x64'],
  separateStderr: true,
  recover: false,
};
export const memory = {
  path: '/nowhere/memory',
  kind: 'ramfs',
  mayReachDisk: false,
  [Symbol.asyncDispose]: () => Promise.resolve(),
} as const;
/** Of a host that gives builds everything. */
export const whole = {
  level: 'sandbox',
  description: 'sandbox',
  capabilities,
  memory,
  facts: { bubblewrap: '0.8.0' },
} as const;
