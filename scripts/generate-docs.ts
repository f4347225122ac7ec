import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { generatedPages } from './lib/generated-pages.js';

/** Writes the pages of docs/reference that are made from the code. */
const folder = join(import.meta.dirname, '..', 'docs', 'reference');
for (const [name, text] of Object.entries(await generatedPages())) writeFileSync(join(folder, name), text);
