import { describe, expect, it } from 'vitest';
import { judge } from '../src/health.js';
import { capabilities, memory, whole } from './support/healthy.js';

describe('what doctor says of the process executor', () => {
  it('names what builds get', () => {
    expect(judge(whole).detail).toContain('network isolated, none; limits of cpu, memory, pids, disk');
  });

  it('names the remedy for limits that cannot be had', () => {
    const { health, detail } = judge({ ...whole, capabilities: { ...capabilities, limits: ['disk'] } });
    expect(health).toBe('degraded');
    expect(detail).toMatch(/No limit of memory, cpu, pids: .*(Delegate=yes|cgroupns=host)/);
  });

  it('names the packages that a network of its own needs', () => {
    const facts = { ...whole.facts, noIsolatedNetwork: 'slirp4netns missing' };
    expect(judge({ ...whole, facts }).detail).toContain('apt-get install slirp4netns');
  });

  it('says where secrets may reach a disk', () => {
    const { health, detail } = judge({ ...whole, memory: { ...memory, kind: 'disk', mayReachDisk: true } });
    expect([health, detail]).toEqual(['degraded', expect.stringContaining('/nowhere/memory')]);
  });
});
