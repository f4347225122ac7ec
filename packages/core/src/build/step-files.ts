import type { JobStep } from '@ritmo/protocol';
import type { FileEntry } from '../executor/sandbox.js';

/** A small file made of a text, as `Sandbox.put` takes it. */
export function textFile(path: string, content: string, mode: number): FileEntry {
  const bytes = Buffer.from(content);
  return { kind: 'file', path, mode, mtimeMs: 0, size: bytes.length, body: once(bytes) };
}

// An async iterable of one chunk.
async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** How the script of a step is started; `script` is its path inside the sandbox. */
export function scriptCommand(step: JobStep, script: string): readonly [string, ...string[]] {
  return step.shell === 'bash' ? ['bash', '--noprofile', '--norc', '-eo', 'pipefail', script] : ['sh', '-e', script];
}
