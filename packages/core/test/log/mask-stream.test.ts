import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MaskSet } from '../../src/log/mask-set.js';
import { MaskStream } from '../../src/log/mask-stream.js';
import { PatternIndex } from '../../src/log/pattern-index.js';
import { patternsOf } from '../../src/log/patterns.js';
import { cut, maskWhole, openPrefix } from './mask-oracle.js';

/** Few letters, so that patterns overlap themselves and each other. */
const dense = fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 4, maxLength: 12, size: 'max' });
const loose = fc.string({
  unit: fc.constantFrom('a', 'b', 'c', 'x', '=', '\n', 'é'),
  minLength: 4,
  maxLength: 40,
  size: 'max',
});
const secrets = fc.oneof(
  fc.array(dense, { minLength: 1, maxLength: 6 }),
  fc.array(loose, { minLength: 1, maxLength: 30, size: 'max' }),
);

/** Text in which secrets, whole and broken off, are common. */
const textWith = (words: readonly string[]) =>
  fc
    .array(
      fc.oneof(
        fc.constantFrom(...words),
        fc.tuple(fc.constantFrom(...words), fc.nat(40)).map(([word, n]) => word.slice(0, n)),
        fc.tuple(fc.constantFrom(...words), fc.nat(40)).map(([word, n]) => word.slice(n)),
        fc.string({ unit: fc.constantFrom('a', 'b', 'c', 'x', '\n', ' '), maxLength: 30 }),
      ),
      { maxLength: 20, size: 'max' },
    )
    .map((parts) => Buffer.from(parts.join('')));

const cases = secrets.chain((words) =>
  fc.record({
    words: fc.constant(words),
    text: textWith(words),
    cuts: fc.array(fc.nat(400), { maxLength: 30, size: 'max' }),
  }),
);

function through(stream: MaskStream, pieces: readonly Uint8Array[]): Buffer {
  return Buffer.concat([...pieces.map((piece) => Buffer.from(stream.push(piece))), stream.flush()]);
}

describe('a mask stream', () => {
  it('gives what masking the whole text gives, wherever the text is cut', () => {
    fc.assert(
      fc.property(cases, ({ words, text, cuts }) => {
        const patterns = words.map((word) => Buffer.from(word));
        const indexes = [new PatternIndex(patterns)];
        const out = through(new MaskStream(() => indexes), cut(text, cuts));
        expect(out.toString()).toBe(maskWhole(text, patterns).toString());
      }),
      { numRuns: 1000 },
    );
  });

  it('gives the same with its patterns spread over several indexes', () => {
    fc.assert(
      fc.property(cases, ({ words, text, cuts }) => {
        const patterns = words.map((word) => Buffer.from(word));
        const indexes = patterns.map((pattern) => new PatternIndex([pattern]));
        const out = through(new MaskStream(() => indexes), cut(text, cuts));
        expect(out.toString()).toBe(maskWhole(text, patterns).toString());
      }),
      { numRuns: 500 },
    );
  });

  it('holds back at most the longest end of the text that is a true prefix of a pattern', () => {
    fc.assert(
      fc.property(cases, ({ words, text, cuts }) => {
        const patterns = words.map((word) => Buffer.from(word));
        const indexes = [new PatternIndex(patterns)];
        const stream = new MaskStream(() => indexes);
        let seen = 0;
        let out = '';
        for (const piece of cut(text, cuts)) {
          out += Buffer.from(stream.push(piece)).toString('latin1');
          seen += piece.length;
          const open = openPrefix(text.subarray(0, seen), patterns);
          expect(stream.held).toBeLessThanOrEqual(open);
          // All that can show by now does: what is left begins with what is held, or with a mask that covers it.
          const left = maskWhole(text.subarray(0, seen), patterns).toString('latin1').slice(out.length);
          const held = text.subarray(seen - stream.held, seen).toString('latin1');
          expect(left.includes('***') || left === held).toBe(true);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('masks a secret that is added later from the first byte that was not shown yet', () => {
    fc.assert(
      fc.property(cases, dense, fc.nat(30), ({ words, text, cuts }, late, when) => {
        const set = new MaskSet();
        for (const word of words) set.add(word);
        const stream = set.stream();
        const pieces = cut(text, cuts);
        const before = pieces.slice(0, when).map((piece) => Buffer.from(stream.push(piece)).toString());
        set.add(late);
        const rest = Buffer.concat(pieces.slice(when));
        const held = stream.held;
        const shown = Buffer.concat([Buffer.from(stream.push(rest)), stream.flush()]).toString();
        const seen = Buffer.concat(pieces.slice(0, when));
        const open = Buffer.concat([seen.subarray(seen.length - held), rest]);
        // It may go on a mask that was shown before.
        expect(before.concat(shown).join('').includes('***') || !open.includes(late)).toBe(true);
        expect(shown).not.toContain(late);
      }),
      { numRuns: 500 },
    );
  });

  it('does not keep the memory that it was given', () => {
    const set = new MaskSet();
    set.add('hunter2hunter3');
    const stream = set.stream();
    const chunk = Buffer.from('password: hunter2hun');
    const first = Buffer.from(stream.push(chunk)).toString();
    chunk.fill('x');
    expect(first + Buffer.from(stream.push(Buffer.from('ny'))).toString()).toBe('password: hunter2hunny');
  });

  it('takes a time that grows with the text alone, whatever repeats in text and secret', () => {
    const set = new MaskSet();
    set.add('a'.repeat(32_768));
    const text = Buffer.from(`${'a'.repeat(32_767)}b`.repeat(64));
    const begin = performance.now();
    const out = through(
      set.stream(),
      cut(
        text,
        Array.from({ length: 128 }, (_, i) => i * 16_384),
      ),
    );
    expect(out.length).toBe(text.length);
    // 2 MiB at quadratic cost would take minutes.
    expect(performance.now() - begin).toBeLessThan(5000);
  });
});

describe('the known leaks', () => {
  const shown = (secret: string, ...writes: string[]): string => {
    const set = new MaskSet();
    set.add(secret);
    return through(
      set.stream(),
      writes.map((write) => Buffer.from(write)),
    ).toString();
  };

  it('masks a secret over two writes of which the first ends in a prefix that overlaps itself', () => {
    expect(shown('hunter2hunter3', 'hunter2hun', 'ter2hunter3')).toBe('hunter2***');
    expect(shown('aaab', 'aaa', 'aab')).toBe('aa***');
  });

  it('masks base64 across a cut, at each of the three shifts', () => {
    for (const before of ['', 'u', 'us', 'user:']) {
      const text = Buffer.from(`${before}correct-horse-battery`).toString('base64');
      for (let at = 0; at <= text.length; at++) {
        const out = shown('correct-horse-battery', text.slice(0, at), text.slice(at));
        expect(out).toContain('***');
        expect(out.length, `${text} cut at ${at}`).toBeLessThan(before.length * 2 + 8);
      }
    }
  });

  it('masks a secret that is longer than any chunk', () => {
    const secret = Array.from({ length: 20_000 }, (_, i) => (i * 7919).toString(36)).join('');
    const pieces = cut(
      Buffer.from(`<${secret}>`),
      Array.from({ length: 100 }, (_, i) => i * 997),
    ).map(String);
    expect(shown(secret, ...pieces)).toBe('<***>');
  });

  const key = '-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\n-----END KEY-----\n';

  it('masks a key of several lines as it is, with CRLF, and each line by itself', () => {
    expect(shown(key, `key:\n${key}done`)).toBe('key:\n***\ndone');
    expect(shown(key, `key:\r\n${key.replaceAll('\n', '\r\n')}done`)).toBe('key:\r\n***\r\ndone');
    expect(shown(key, '> MIIEvQIBADANBgkq\n', '> hkiG9w0BAQEFAASC\n')).toBe('> ***\n> ***\n');
  });

  it('masks a secret inside JSON', () => {
    expect(shown(key, JSON.stringify({ key }))).toBe('{"key":"***\\n"}');
    expect(shown('pass"word\\é', JSON.stringify(['pass"word\\é']))).toBe('["***"]');
    expect(shown('päss"wörd', String.raw`"p\u00e4ss\"w\u00f6rd"`)).toBe('"***"');
  });

  it('masks the other ways in which tools print a value', () => {
    const secret = "p@ss/wörd & 'quotes'<1>";
    const bytes = Buffer.from(secret);
    for (const text of [
      encodeURIComponent(secret),
      new URLSearchParams({ v: secret }).toString().slice(2),
      bytes.toString('hex'),
      bytes.toString('hex').toUpperCase(),
      bytes.toString('base64'),
      bytes.toString('base64url'),
      "p@ss/wörd & '\\''quotes'\\''<1>",
      'p@ss/wörd &amp; &#39;quotes&#39;&lt;1&gt;',
    ]) {
      expect(shown(secret, `[${text}]`), text).toBe('[***]');
    }
  });

  it('masks a long secret in the lines of the base64 tool', () => {
    const secret = Array.from({ length: 40 }, (_, i) => `part-${i * 31};`).join('');
    const lines = Buffer.from(secret).toString('base64').replace(/.{76}/g, '$&\n');
    for (const line of shown(secret, lines).split('\n').slice(0, -1)) expect(line).toBe('***');
  });

  it('shows nothing of what stands right beside another secret', () => {
    const set = new MaskSet();
    set.add('first-secret');
    set.add('second-secret');
    set.add('secretsecond');
    expect(set.maskText('a first-secretsecond-secret b')).toBe('a *** b');
  });
});

describe('a mask set', () => {
  it('refuses values under four bytes and knows a value again', () => {
    const set = new MaskSet();
    expect(set.add('abc')).toBe('too-short');
    expect(set.add('abc\r\n\n')).toBe('too-short');
    expect(set.add('')).toBe('too-short');
    expect(set.add('éé')).toBe('masked');
    expect(set.add('éé')).toBe('known');
    expect(set.maskText('abc éé')).toBe('abc ***');
  });

  it('leaves text alone when it holds no secret', () => {
    expect(new MaskSet().maskText('any text ✓')).toBe('any text ✓');
    const set = new MaskSet();
    set.add('correct-horse');
    expect(set.maskText('any text ✓')).toBe('any text ✓');
    expect(set.stream().push(Buffer.from('x'))).toEqual(Buffer.from('x'));
  });

  it('does not look for a line without a letter or a digit, nor for short encodings', () => {
    const found = patternsOf('{\n----\n"token": "abcdefgh"\n}').map((pattern) => Buffer.from(pattern).toString());
    expect(found).not.toContain('----');
    expect(found).not.toContain('{');
    expect(found).toContain('"token": "abcdefgh"');
    expect(patternsOf('a=b/').every((pattern, i) => i === 0 || pattern.length >= 8)).toBe(true);
  });

  it('takes a thousand secrets one by one', () => {
    const set = new MaskSet();
    const stream = set.stream();
    for (let i = 0; i < 1000; i++) {
      expect(set.add(`secret-number-${i}-${i * i}`)).toBe('masked');
      expect(Buffer.from(stream.push(Buffer.from(`secret-number-${i}-${i * i}\n`))).toString()).toMatch(/\n$/);
    }
    expect(set.maskText('secret-number-7-49!')).toBe('***!');
  });
});
