import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MarkedOutput } from '../../../src/way/remote/marked-output.js';

const nonce = '0123456789abcdeffedcba9876543210';

function read(chunks: readonly Buffer[], shell: 'bash' | 'other' = 'other') {
  const passed: Buffer[] = [];
  const marked = new MarkedOutput(nonce, shell, (bytes) => void passed.push(Buffer.from(bytes)));
  for (const chunk of chunks) marked.take(chunk);
  return { marked, text: () => Buffer.concat(passed) };
}

const whole = (body: string, end = `${nonce} ended 3 silent 2 0 1\n`) =>
  Buffer.from(`${nonce} started 17\n${body}${end}`, 'latin1');

describe('the output of a step between the lines of its shell', () => {
  it('is given whole and nothing else, wherever it was cut', () => {
    // Pieces of the mark are what is hard to tell from it.
    const piece = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 20 }),
      fc.nat(31).map((n) => nonce.slice(0, n)),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), fc.array(fc.nat(200), { maxLength: 8 }), (pieces, cuts) => {
        const body = Buffer.from(pieces.join(''), 'utf8').toString('latin1');
        const all = whole(body);
        const at = [0, ...cuts.map((cut) => Math.min(cut, all.length)).toSorted((a, b) => a - b), all.length];
        const { marked, text } = read(at.slice(1).map((end, i) => all.subarray(at[i], end)));
        expect(text().toString('latin1')).toBe(body);
        expect(marked.end).toMatchObject({ answer: { kind: 'ended', code: 3 }, stragglers: 2, refusedForks: 1 });
      }),
    );
  });

  it('passes on at once what cannot be the mark', () => {
    const { text, marked } = read([Buffer.from(`${nonce} started 17\npartial`)]);
    expect(text().toString()).toBe('partial');
    expect(marked.wrapper).toBe(17);
    expect(marked.end).toBeUndefined();
  });

  it('tells a signal from an exit code', () => {
    const answer = (end: string, shell?: 'bash') =>
      read([whole('', `${nonce} ended ${end} 0 0 0\n`)], shell).marked.end?.answer;
    expect(answer('137 said')).toEqual({ kind: 'ended', code: 137, signalled: true });
    expect(answer('137 silent')).toEqual({ kind: 'ended', code: 137, signalled: false });
    expect(answer('143 silent', 'bash')).toEqual({ kind: 'ended', code: 143, signalled: true });
    expect(answer('lost said')).toEqual({ kind: 'ended', signalled: true });
  });

  it.each([
    ['before the step', 'forged\n'],
    ['instead of a greeting', `${nonce} hello\n`],
    ['after the end', `${whole('').toString()}more`],
    ['that ends in no known way', `${nonce} started 17\n${nonce} ended 3 softly 0 0 0\n`],
    ['that never ends its line', `${nonce} started 17\n${nonce} ended ${'9'.repeat(300)}`],
  ])('breaks the sandbox when something comes %s', (_, text) => {
    expect(() => read([Buffer.from(text)])).toThrow(/something|a line without end/);
  });
});
