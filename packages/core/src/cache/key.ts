import { createHash } from 'node:crypto';
import { arch, platform } from 'node:os';
import { type CacheKeyPiece, parseCacheKey } from '@ritmo/protocol';
import type { Sandbox } from '../executor/sandbox.js';

const hashLength = 32;
const limits = { maxFiles: 10_000, maxBytes: 1024 ** 3 };

/** Fills key templates with what is in the workspace now. */
export class CacheKeys {
  readonly #sandbox: Sandbox;
  readonly #signal: AbortSignal;

  constructor(sandbox: Sandbox, signal: AbortSignal) {
    this.#sandbox = sandbox;
    this.#signal = signal;
  }

  /** The key; patterns that match nothing are told to `missing`, and count as no file. */
  async fill(template: string, missing: (patterns: readonly string[]) => void): Promise<string> {
    let key = '';
    for (const piece of parseCacheKey(template)) key += await this.#text(piece, missing);
    return key;
  }

  async #text(piece: CacheKeyPiece, missing: (patterns: readonly string[]) => void): Promise<string> {
    if (piece.kind === 'text') return piece.text;
    if (piece.kind !== 'hash') return piece.kind === 'os' ? platform() : arch();
    const { patterns } = piece;
    const hash = createHash('sha256');
    let files = 0;
    const request = { include: patterns, exclude: [], dotfiles: true, ...limits };
    for await (const entry of this.#sandbox.collect(request, this.#signal)) {
      if (entry.kind !== 'file') continue;
      files += 1;
      const content = createHash('sha256');
      for await (const bytes of entry.body) content.update(bytes);
      hash.update(JSON.stringify([entry.path, content.digest('hex')]));
    }
    if (files === 0) missing(patterns);
    return hash.digest('hex').slice(0, hashLength);
  }
}
