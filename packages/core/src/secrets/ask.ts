import { secretName, variableValue } from '@ritmo/protocol';
import { RitmoError } from '../errors.js';
import { rejection } from '../rejection.js';
import type { SecretProvider, SecretRequest, SecretSource } from './provider.js';

/** How long one provider may take for one name, in milliseconds. */
const answerMs = 30_000;

/**
 * Asks the operator's providers for those of the names that the operator allows; names that nobody has are left out.
 * @throws RITMO_SECRET_PROVIDER where one cannot answer; the message holds nothing that it said
 */
export async function askForSecrets(
  { providers, allow }: SecretSource,
  names: readonly string[],
  job: Omit<SecretRequest, 'name'>,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const allowed = names.filter((name) => isAllowed(name, allow));
  const values = await Promise.all(allowed.map((name) => askAll(providers, { name, ...job }, signal)));
  return new Map(
    allowed.flatMap((name, index): [string, string][] => {
      const value = values[index];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

/** Names that begin with RITMO_ are never served, whatever the list says. */
function isAllowed(name: string, allow: readonly string[]): boolean {
  return secretName.safeParse(name).success && allow.some((pattern) => matches(pattern, name));
}

function matches(pattern: string, name: string): boolean {
  const parts = pattern.split('*').map((part) => part.replaceAll(/[^A-Za-z0-9_]/g, String.raw`\$&`));
  return new RegExp(`^${parts.join('.*')}$`).test(name);
}

async function askAll(
  providers: readonly SecretProvider[],
  request: SecretRequest,
  signal: AbortSignal,
): Promise<string | undefined> {
  for (const provider of providers) {
    const value = await ask(provider, request, signal);
    if (value !== undefined) return value;
  }
  return undefined;
}

async function ask(provider: SecretProvider, request: SecretRequest, signal: AbortSignal): Promise<string | undefined> {
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(answerMs)]);
  let value: string | undefined;
  try {
    value = await Promise.race([provider.get(request, bounded), rejection(bounded)]);
  } catch (cause) {
    if (signal.aborted) throw signal.reason;
    throw broken(provider, request, bounded.aborted ? 'did not answer in time' : 'could not answer', cause);
  }
  if (value === undefined || variableValue.safeParse(value).success) return value;
  throw broken(provider, request, 'gave a value with a NUL byte or of more than 128 KiB');
}

function broken({ name }: SecretProvider, request: SecretRequest, what: string, cause?: unknown): RitmoError {
  // A code that we gave ourselves is safe to repeat; what others say may hold the value.
  const known = cause instanceof RitmoError ? ` ${cause.message}` : '';
  return new RitmoError(
    'RITMO_SECRET_PROVIDER',
    `The provider ${name} ${what} when it was asked for the secret ${request.name}.${known}`,
  );
}
