import assert from 'node:assert/strict';
import { z } from 'zod';

/** Fails with every place where a value does not fit its schema. */
export function assertShape(what: string, schema: z.ZodType, value: unknown): void {
  const parsed = schema.safeParse(value);
  if (!parsed.success) assert.fail(`${what} does not fit @ritmo/protocol:\n${z.prettifyError(parsed.error)}`);
}
