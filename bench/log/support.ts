import { createHash } from 'node:crypto';

const chunkSize = 65_536;

/** Text as builds print it, in chunks as pipes give it. */
export function logText(bytes: number): Buffer[] {
  const line = '[12:34:56] building target foo/bar/NAME.c -O2 -Wall with some more text to be ~100 bytes long, ok.\n';
  let text = '';
  for (let i = 0; text.length < bytes; i++)
    text += line.replace('NAME', ((i * 2_654_435_761) >>> 0).toString(36)).repeat(4);
  const data = Buffer.from(text.slice(0, bytes), 'latin1');
  return Array.from({ length: Math.ceil(bytes / chunkSize) }, (_, i) =>
    data.subarray(i * chunkSize, (i + 1) * chunkSize),
  );
}

/** Made-up secrets of `shortest` to `shortest` + 23 characters. */
export function secrets(count: number, shortest: number): string[] {
  return Array.from({ length: count }, (_, i) =>
    createHash('sha256')
      .update(`secret ${i}`)
      .digest('base64url')
      .slice(0, shortest + (i % 24)),
  );
}

/** The best of three runs, in MB/s. */
export async function best(bytes: number, run: () => Promise<void> | void): Promise<string> {
  let fastest = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 3; i++) {
    const begin = performance.now();
    await run();
    fastest = Math.min(fastest, performance.now() - begin);
  }
  return `${(bytes / 1000 / fastest).toFixed(0).padStart(6)} MB/s`;
}
