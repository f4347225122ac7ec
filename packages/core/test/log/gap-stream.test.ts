import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MaskSet } from '../../src/log/mask-set.js';
import { patternsOf } from '../../src/log/patterns.js';
import { cut, maskWhole } from './mask-oracle.js';

const secret = 'hunter2hunter3';

function show(pieces: readonly Uint8Array[], ...secrets: readonly string[]): string {
  const masks = new MaskSet();
  for (const value of secrets) masks.add(value);
  const stream = masks.streamAfterGap();
  return Buffer.concat([...pieces.map((piece) => Buffer.from(stream.push(piece))), stream.flush()]).toString();
}

describe('masking after a gap', () => {
  it('hides any rest of a secret that the stream begins with', () => {
    for (let lost = 1; lost < secret.length; lost++) {
      expect(show([Buffer.from(`${secret.slice(lost)} and on`)], secret)).toBe('*** and on');
    }
  });

  it('hides the rest of each encoding too', () => {
    const encoded = Buffer.from(`${secret}!!!`).toString('base64');
    expect(show([Buffer.from(`${encoded.slice(5)}\n`)], `${secret}!!!`)).toBe('***\n');
  });

  it('hides a rest that is followed by the secret itself, and one that begins in the rest', () => {
    expect(show([Buffer.from(`nter3 ${secret}\n`)], secret)).toBe('*** ***\n');
    expect(show([Buffer.from('bcdeab\n')], 'abcd', 'cdeab')).toBe('***\n');
  });

  it('holds back nothing that cannot be a rest', () => {
    const masks = new MaskSet();
    masks.add(secret);
    const stream = masks.streamAfterGap();
    expect(Buffer.from(stream.push(Buffer.from('plain'))).toString()).toBe('plain');
  });

  it('shows nothing of the rest wherever the text is cut', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 4, maxLength: 9 });
    fc.assert(
      fc.property(letters, fc.nat(), letters, fc.array(fc.nat(30)), (value, lost, text, places) => {
        const rest = value.slice(1 + (lost % (value.length - 1)));
        const whole = Buffer.from(`${rest}-${text}`);
        const shown = show(cut(whole, places), value);
        const patterns = patternsOf(value).map((pattern) => Buffer.from(pattern));
        // The dash ends every rest: what follows is masked as ever.
        expect(shown).toBe(`***${maskWhole(Buffer.from(`-${text}`), patterns).toString()}`);
      }),
    );
  });
});
