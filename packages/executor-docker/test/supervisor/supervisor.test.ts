import { PassThrough } from 'node:stream';
import type { Socket } from 'node:net';
import { expect, it } from 'vitest';
import { Supervisor } from '../../src/supervisor/supervisor.js';

/** A supervisor at the other end of two pipes: what it is asked, and what it says. */
function ends() {
  const control = new PassThrough();
  const status = new PassThrough();
  const asked: string[] = [];
  control.on('data', (chunk: Buffer) => void asked.push(...chunk.toString().trim().split('\n')));
  // Of a socket only what a stream has is used.
  const supervisor = new Supervisor(control as unknown as Socket, status as unknown as Socket);
  const say = async (line: string) => {
    status.write(`${line}\n`);
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { supervisor, asked, say };
}

const nonce = 'a'.repeat(32);
const again = 'b'.repeat(32);
const file = '/run/ritmo/private/.step-1';

it('keeps the end of a step that is heard before anybody waits for it', async () => {
  const { supervisor, say, asked } = ends();
  supervisor.takeOver('other', again, 1, nonce);
  await say(`${nonce} ended 4 silent`);
  const { answer } = supervisor.resume(nonce, file);
  expect(await answer).toEqual({ kind: 'ended', code: 4, signalled: false });
  // The answer to its question comes all the same, and is no violation.
  await say(`${again} last ${nonce} ended 4 silent`);
  expect(asked).toEqual([`${again} again`]);
  const broken = supervisor.broken.then(
    () => 'broken',
    () => 'broken',
  );
  expect(await Promise.race([broken, Promise.resolve('whole')])).toBe('whole');
});

it('asks for the end of a step that another agent has heard', async () => {
  const { supervisor, say, asked } = ends();
  supervisor.takeOver('other', again, 1, nonce);
  const { answer } = supervisor.resume(nonce, file);
  await say(`${again} last ${nonce} ended 143 said`);
  expect(await answer).toEqual({ kind: 'ended', code: 143, signalled: true });
  expect(asked).toEqual([`${again} again`]);
});

it('makes a request anew that the supervisor never saw', async () => {
  const { supervisor, say, asked } = ends();
  supervisor.takeOver('other', again, 1, nonce);
  const { answer } = supervisor.resume(nonce, file);
  await say(`${again} last none`);
  await expect.poll(() => asked).toEqual([`${again} again`, `${nonce} ${file}`]);
  await say(`${nonce} started`);
  await say(`${nonce} ended 0 silent`);
  expect(await answer).toEqual({ kind: 'ended', code: 0, signalled: false });
});

it.each([
  ['an end that comes twice', [`${nonce} ended 4 silent`, `${nonce} ended 0 silent`]],
  ['an end of something that was not asked', [`${'c'.repeat(32)} ended 0 silent`]],
  ['a line without end', ['x'.repeat(300)]],
])('is broken by %s', async (_, lines) => {
  const { supervisor, say } = ends();
  supervisor.takeOver('other', again, 1, nonce);
  for (const line of lines) await say(line);
  await expect(supervisor.broken).rejects.toMatchObject({ code: 'RITMO_SANDBOX_BROKEN' });
});
