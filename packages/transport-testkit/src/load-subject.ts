import { access } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { RitmoError } from '@ritmo/agent-core';
import type { TransportAbilities, TransportSubject } from './subject.js';

const abilities: ReadonlyArray<keyof TransportAbilities> = ['manyJobs', 'manyWorkers', 'secrets', 'adoption', 'again'];

/** The subject that a module exports as `default`. Rejects with RITMO_USAGE, and says what is missing of it. */
export async function loadSubject(file: string): Promise<TransportSubject> {
  const subject = (await load(resolve(file)))['default'] as Partial<TransportSubject> | undefined;
  const missing = [
    ...(typeof subject?.name === 'string' ? [] : ['name']),
    ...(typeof subject?.open === 'function' ? [] : ['open()']),
    ...abilities
      .filter((ability) => typeof subject?.abilities?.[ability] !== 'boolean')
      .map((ability) => `abilities.${ability}`),
  ];
  if (missing.length === 0) return subject as TransportSubject;
  throw new RitmoError(
    'RITMO_USAGE',
    `The default export of ${file} is no subject: ${missing.join(', ')} is missing.`,
    {
      hint: 'See TransportSubject in @ritmo/transport-testkit, and the guide on transports for a whole one.',
    },
  );
}

async function load(path: string): Promise<Readonly<Record<string, unknown>>> {
  let found = false;
  try {
    await access(path);
    found = true;
    return (await import(pathToFileURL(path).href)) as Record<string, unknown>;
  } catch (error) {
    const message = `${path} cannot be loaded: ${error instanceof Error ? error.message : String(error)}`;
    throw new RitmoError('RITMO_USAGE', message, {
      cause: error,
      hint: found
        ? 'It is there, and fails when it is imported. TypeScript needs a loader: NODE_OPTIONS="--import tsx".'
        : 'Check the path; what is compiled has to be built first.',
    });
  }
}
