/** Ways in which tools print a value. Each takes the bytes of a secret and answers what to look for. */
type Encoding = (secret: Buffer) => readonly string[];

/** The characters of base64 that depend on the secret alone, after 0, 1 and 2 bytes of something else. */
const base64: Encoding = (secret) => [
  ...[0, 1, 2].flatMap((before) => {
    const text = Buffer.concat([Buffer.alloc(before), secret]).toString('base64');
    const bits = (before + secret.length) * 8;
    const core = text.slice(Math.ceil((before * 8) / 6), Math.floor(bits / 6));
    // At the very end of the encoded text the last character and the padding are known too.
    return bits % 24 === 0 ? [core] : [core, text.slice(Math.ceil((before * 8) / 6))];
  }),
  ...wrapped(secret.toString('base64')),
];

const base64url: Encoding = (secret) =>
  base64(secret).map((text) => text.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', ''));

/** The lines in which `base64` and PEM writers break long text. */
function wrapped(text: string): readonly string[] {
  return [76, 64].flatMap((width) => (text.length > width ? (text.match(new RegExp(`.{1,${width}}`, 'g')) ?? []) : []));
}

const hex: Encoding = (secret) => [secret.toString('hex'), secret.toString('hex').toUpperCase()];

/** Percent-encoding as JavaScript, RFC 3986, forms and Python's `quote` do it. */
const percent: Encoding = (secret) => {
  const encode = (plain: RegExp, lower = false): string =>
    [...secret]
      .map((byte) => {
        const character = String.fromCharCode(byte);
        if (plain.test(character)) return character;
        const digits = byte.toString(16).padStart(2, '0');
        return `%${lower ? digits : digits.toUpperCase()}`;
      })
      .join('');
  const javascript = /[A-Za-z0-9\-_.!~*'()]/;
  const strict = /[A-Za-z0-9\-_.~]/;
  return [
    encode(javascript),
    encode(javascript, true),
    encode(strict),
    encode(strict, true),
    encode(strict).replaceAll('%20', '+'),
    encode(/[A-Za-z0-9\-_.~/]/),
  ];
};

/** Inside a JSON string: as JavaScript writes it, in ASCII only (Python), with `\/` (PHP), and with <, > and & escaped (Go). */
const json: Encoding = (secret) => {
  const text = JSON.stringify(secret.toString('utf8')).slice(1, -1);
  const escaped = (pattern: RegExp): string =>
    text.replace(pattern, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
  return [text, escaped(/[\u0080-\uffff]/g), text.replaceAll('/', '\\/'), escaped(/[<>&\u2028\u2029]/g)];
};

/** Inside the single quotes with which a shell's `set -x` shows it. */
const shell: Encoding = (secret) => [secret.toString('utf8').replaceAll("'", String.raw`'\''`)];

const xml: Encoding = (secret) => {
  const text = secret.toString('utf8').replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  const quoted = text.replaceAll('"', '&quot;');
  return [text, quoted, quoted.replaceAll("'", '&#39;')];
};

/** What to look for besides the value itself. May repeat, and may hold what is too short. */
export function encodingsOf(secret: Buffer): readonly string[] {
  return [base64, base64url, hex, percent, json, shell, xml].flatMap((encoding) => encoding(secret));
}
