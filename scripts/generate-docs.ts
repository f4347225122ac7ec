import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { errorReference } from './lib/error-reference.js';

/** Writes the pages of docs/reference that are made from the code. */
writeFileSync(join(import.meta.dirname, '..', 'docs', 'reference', 'errors.md'), errorReference());
