import { describe, expect, it } from 'vitest';
import { OpenSandboxes } from '../../src/executor.js';

const never = new AbortController().signal;

function job(disposed: string[], id: string, error?: Error) {
  return {
    [Symbol.asyncDispose]: () => {
      disposed.push(id);
      return error === undefined ? Promise.resolve() : Promise.reject(error);
    },
  };
}

describe('the sandboxes of an executor', () => {
  it('have ids of their own, of the form that a sweep knows', () => {
    const open = new OpenSandboxes();
    open.add('one', job([], 'one'));
    expect(() => open.add('one', job([], 'one'))).toThrow('There is a sandbox one already.');
    expect(() => open.add('../one', job([], 'one'))).toThrow('no sandbox id');
  });

  it('are swept where nobody keeps them: the open ones disposed, others removed, what is none left alone', async () => {
    const open = new OpenSandboxes();
    const disposed: string[] = [];
    for (const id of ['open', 'kept']) open.add(id, job(disposed, id));
    const removed: string[] = [];
    const report = await open.sweep(['left', 'open', 'kept', 'lost+found'], new Set(['kept']), never, (id) => {
      removed.push(id);
      return Promise.resolve();
    });
    expect(report).toEqual({ removed: ['open', 'left'], failed: [] });
    expect({ disposed, removed }).toEqual({ disposed: ['open'], removed: ['left'] });
  });

  it('that cannot be removed keep no other, and are told', async () => {
    const open = new OpenSandboxes();
    open.add('stuck', job([], 'stuck', new Error('busy')));
    const report = await open.sweep(['left'], new Set(), never, () => Promise.resolve());
    expect(report.removed).toEqual(['left']);
    expect(report.failed).toMatchObject([{ id: 'stuck', error: { code: 'RITMO_CLEANUP_FAILED', message: 'busy' } }]);
  });

  it('are forgotten by the one that was disposed, and not by another of its id', () => {
    const open = new OpenSandboxes();
    const first = job([], 'one');
    open.add('one', first);
    open.delete('one', job([], 'one'));
    expect(open.size).toBe(1);
    open.delete('one', first);
    expect([...open.ids()]).toEqual([]);
  });
});
