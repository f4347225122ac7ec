/**
 * Masks random text with random secrets, cut at random places, and compares with masking the whole the slow way.
 * Ends with 1 and the case that shows it at the first difference.
 * Run: npx tsx --conditions=@ritmo/source bench/log/fuzz-masker.ts [minutes] [seed]
 */
import { MaskSet } from '../../packages/core/src/log/mask-set.js';
import { patternsOf } from '../../packages/core/src/log/patterns.js';
import { cut, maskWhole } from '../../packages/core/test/log/mask-oracle.js';

const minutes = Number(process.argv[2] ?? 3);
const seed = Number(process.argv[3] ?? Date.now());

/** A small generator of numbers below 1 that a seed repeats (mulberry32). */
function generator(start: number): () => number {
  let state = start >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const alphabets = [
  'ab',
  'abc\n',
  'aA+/= ',
  '0123456789abcdef',
  'é€😀"\\\n',
  'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_',
];

function fuzzOnce(random: () => number): { bytes: number; masks: number } {
  const upTo = (limit: number): number => Math.floor(random() * limit);
  const pick = <T>(values: readonly T[]): T => values[upTo(values.length)] as T;
  const letters = Array.from(pick(alphabets));
  const word = (longest: number): string => Array.from({ length: 4 + upTo(longest) }, () => pick(letters)).join('');

  const set = new MaskSet();
  const secrets = Array.from({ length: 1 + upTo(12) }, () => word(pick([4, 12, 60]))).filter(
    (secret) => set.add(secret) === 'masked',
  );
  const patterns = secrets.flatMap((secret) => patternsOf(secret)).map((pattern) => Buffer.from(pattern));
  const part = (): Buffer => {
    if (patterns.length === 0 || random() < 0.4) return Buffer.from(word(30));
    const pattern = pick(patterns);
    const kind = random();
    if (kind < 0.5) return pattern;
    return kind < 0.8 ? pattern.subarray(0, upTo(pattern.length)) : pattern.subarray(upTo(pattern.length));
  };
  const text = Buffer.concat(Array.from({ length: upTo(40) }, part));
  const pieces = cut(
    text,
    Array.from({ length: upTo(random() < 0.2 ? 400 : 20) }, () => upTo(text.length + 1)),
  );

  const stream = set.stream();
  const shown = Buffer.concat([...pieces.map((piece) => Buffer.from(stream.push(piece))), stream.flush()]);
  const wanted = maskWhole(text, patterns);
  if (!shown.equals(wanted)) {
    console.error(
      JSON.stringify({ secrets, text: text.toString('base64'), cuts: pieces.map((piece) => piece.length) }),
    );
    console.error(`wanted ${JSON.stringify(wanted.toString())}\n   got ${JSON.stringify(shown.toString())}`);
    process.exit(1);
  }
  return { bytes: text.length, masks: wanted.toString('latin1').split('***').length - 1 };
}

const random = generator(seed);
const total = { cases: 0, bytes: 0, masks: 0 };
for (const begin = performance.now(); performance.now() - begin < minutes * 60_000; ) {
  const { bytes, masks } = fuzzOnce(random);
  total.cases++;
  total.bytes += bytes;
  total.masks += masks;
}
console.log(`seed ${seed}: ${total.cases} cases, ${total.bytes} bytes, ${total.masks} masks, no difference`);
