import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { commandLineReference } from './lib/command-line-reference.js';
import { errorReference } from './lib/error-reference.js';

/** Writes the pages of docs/reference that are made from the code. */
const folder = join(import.meta.dirname, '..', 'docs', 'reference');
writeFileSync(join(folder, 'errors.md'), errorReference());
writeFileSync(join(folder, 'command-line.md'), commandLineReference());
