const printable = /^[\x20-\x7e]*$/;
const partBytes = 16 * 1024;

/** Scripts are strings of one character a byte, so that names of any bytes fit in. */
export const bytesOf = (script: string): Buffer => Buffer.from(script, 'latin1');
export const textOf = (bytes: Uint8Array | string): string => Buffer.from(bytes as string).toString('latin1');

/** Text as one word of a POSIX shell, whatever it holds but NUL. */
export const quoted = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`;

/** Lines that append bytes to the file `$1`; no program is needed, and nothing is on a command line. */
export function* printLines(content: Uint8Array): Generator<string> {
  const bytes = Buffer.from(content);
  for (let at = 0; at < bytes.length; at += partBytes) {
    let text = '';
    for (const byte of bytes.subarray(at, at + partBytes)) {
      const plain = byte !== 0x27 && byte !== 0x5c && printable.test(String.fromCharCode(byte));
      text += plain ? String.fromCharCode(byte) : `\\0${byte.toString(8).padStart(3, '0')}`;
    }
    yield `printf %b '${text}' >>"$1" || _ritmo_no "$1"\n`;
  }
}

/** What scripts that put and remove files begin with; each says `done` at its end, or what stands in the way. */
export const fileFunctions = `
trap : TERM INT HUP
exec 2>/dev/null
_ritmo_no() { echo "failed $1"; exit; }
_ritmo_folder() {
  [ ! -L "$1" ] || { echo "escape $1"; exit; }
  [ ! -e "$1" ] || [ -d "$1" ] || { echo "escape $1"; exit; }
  [ -d "$1" ] || mkdir -- "$1" || _ritmo_no "$1"
}
_ritmo_clear() { [ ! -e "$1" ] && [ ! -L "$1" ] || rm -rf -- "$1" || _ritmo_no "$1"; }
`;
