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

/** The best of five runs: MB by the clock's second, and by the second of CPU, which a busy machine disturbs less. */
export async function best(bytes: number, run: () => Promise<void> | void): Promise<string> {
  let fastest = Number.POSITIVE_INFINITY;
  let cheapest = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 5; i++) {
    const begin = performance.now();
    const cpu = process.cpuUsage();
    await run();
    const { user, system } = process.cpuUsage(cpu);
    fastest = Math.min(fastest, performance.now() - begin);
    cheapest = Math.min(cheapest, (user + system) / 1000);
  }
  const rate = (ms: number): string => (bytes / 1000 / ms).toFixed(0).padStart(6);
  return `${rate(fastest)} MB/s ${rate(cheapest)} MB per CPU second`;
}
