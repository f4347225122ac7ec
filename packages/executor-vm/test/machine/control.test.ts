import { Duplex } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { Control } from '../../src/machine/control.js';

/** A guest that says what the test has it say. */
function guest(greeted = true) {
  const asked: string[] = [];
  const stream = new Duplex({
    read: () => undefined,
    write: (chunk, _encoding, done) => {
      asked.push(String(chunk));
      done();
    },
  });
  return { asked, control: new Control(stream, greeted), says: (line: string) => stream.push(`${line}\n`) };
}

const broken = { code: 'RITMO_SANDBOX_BROKEN' };

describe('the control of a machine', () => {
  it('asks in one line and believes the answer of that number', async () => {
    const { control, asked, says } = guest();
    const [first, second] = [control.ask('clock', 17), control.ask('ping')];
    expect(asked).toEqual(['clock 1 17\n', 'ping 2\n']);
    says('done 2');
    says('failed 1 no such thing');
    await second;
    await expect(first).rejects.toMatchObject({ ...broken, message: expect.stringContaining('no such thing') });
  });

  it('tells how a step went', async () => {
    const { control, says } = guest();
    const { answer, started } = control.run('mark', 10, 1, 2);
    expect(started()).toBe(false);
    says('started 1');
    says('ended 1 137 said 3 1 0 100 200');
    expect(await answer).toEqual({
      kind: 'ended',
      code: 137,
      signalled: true,
      stragglers: 3,
      outOfMemoryKills: 1,
      refusedForks: 0,
      free: { blocks: 100, files: 200 },
    });
    expect(started()).toBe(true);
  });

  it('tells a signal from an exit code of the same number', async () => {
    const { control, says } = guest();
    for (const [number, line, signalled] of [
      [1, '137 silent', false],
      [2, '143 said', true],
      [3, '130 silent', true],
      [4, 'lost silent', true],
      [5, '1 said', false],
    ] as const) {
      const { answer } = control.run();
      says(`started ${number}`);
      says(`ended ${number} ${line} 0 0 0 -`);
      expect(await answer).toMatchObject({ signalled });
    }
  });

  it.each([
    ['an answer to what was not asked', 'done 7'],
    ['an answer of another kind', 'signalled 1 4'],
    ['a number that is none', 'done 1e0'],
    ['words behind the answer', 'done 1 2'],
    ['nothing', ''],
    ['a line without end', 'x'.repeat(5_000)],
  ])('is broken by %s', async (_what, line) => {
    const { control, says } = guest();
    const answer = control.ask('ping');
    says(line);
    await expect(answer).rejects.toMatchObject(broken);
    await expect(control.ask('ping')).rejects.toMatchObject(broken);
  });

  it.each([
    ['an exit before it was started twice', ['started 1', 'started 1']],
    ['a refusal after its start', ['started 1', 'refused 1 no-program']],
    ['an exit code that is none', ['started 1', 'ended 1 9999 silent 0 0 0 -']],
    ['numbers that are none', ['started 1', 'ended 1 0 silent a b c -']],
    ['a second exit', ['ended 1 0 silent 0 0 0 -', 'ended 1 1 silent 0 0 0 -']],
  ])('is broken by a step with %s', async (_what, lines) => {
    const { control, says } = guest();
    const { answer } = control.run();
    answer.catch(() => undefined);
    for (const line of lines) says(line);
    await new Promise((resolve) => setImmediate(resolve));
    await expect(control.ask('ping')).rejects.toMatchObject(broken);
  });

  it('takes nothing before the hello of a machine that boots', async () => {
    const { control, says } = guest(false);
    says('done 1');
    await expect(control.hello).rejects.toMatchObject(broken);
  });
});
