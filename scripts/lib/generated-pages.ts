import { apiReference } from './api-reference.js';
import { commandLineReference } from './command-line-reference.js';
import { errorReference } from './error-reference.js';
import { eventReference } from './event-reference.js';
import { metricsReference } from './metrics-reference.js';

/** Every page of docs/reference that is made from the code, by its file. */
export async function generatedPages(): Promise<Readonly<Record<string, string>>> {
  return {
    'command-line.md': commandLineReference(),
    'errors.md': errorReference(),
    'events.md': eventReference(),
    'metrics.md': await metricsReference(),
    'worker-api-fields.md': apiReference(),
  };
}
