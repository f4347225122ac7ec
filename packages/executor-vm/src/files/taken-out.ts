import { createHash } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CollectRequest } from '@ritmo/agent-core/executor';
import { type SpooledEntry, unlessErrno } from '@ritmo/host-linux';
import { z } from 'zod';

const base = { path: z.string(), pathBytes: z.base64().optional(), mode: z.int(), mtimeMs: z.number() };
const list = z.array(
  z.discriminatedUnion('kind', [
    z.object({ kind: z.literal('file'), ...base, size: z.int().min(0), number: z.int().min(1), start: z.int().min(0) }),
    z.object({ kind: z.literal('link'), ...base, target: z.string() }),
    z.object({
      kind: z.literal('refused'),
      path: z.string(),
      why: z.string(),
      byRule: z.literal(true).exactOptional(),
    }),
  ]),
);

/** Keeps beside the bodies what has left the machine for these patterns, for an agent after this one. */
export function keepTaken(folder: string, request: CollectRequest, entries: readonly SpooledEntry[]): void {
  const path = pathOf(folder, request);
  // Written whole or not at all: a list that was cut would lose files.
  writeFileSync(`${path}.tmp`, JSON.stringify(entries), { mode: 0o600 });
  renameSync(`${path}.tmp`, path);
}

/** What has left the machine for these patterns; undefined where not all of it has. */
export function takenBefore(folder: string, request: CollectRequest): readonly SpooledEntry[] | undefined {
  const text = unlessErrno(['ENOENT'], () => readFileSync(pathOf(folder, request), 'utf8'));
  return text === undefined ? undefined : list.parse(JSON.parse(text));
}

/** The limits are not part of it: they are what the artifacts before have left. */
function pathOf(folder: string, { include, exclude, dotfiles }: CollectRequest): string {
  const patterns = JSON.stringify([include, exclude, dotfiles]);
  return join(folder, `list-${createHash('sha256').update(patterns).digest('hex').slice(0, 32)}`);
}
