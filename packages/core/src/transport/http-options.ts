import { z } from 'zod';
import { RitmoError } from '../errors.js';
import type { Clock, Logger } from '../executor/host.js';
import { isLogger } from '../logger.js';

/** How the API server is reached. */
export interface HttpTransportOptions {
  /** `host:port` or a URL: a bare one means http on loopback and https elsewhere. */
  readonly apiServer: string;
  /** Of the role registration. A function is asked anew at each registration. */
  readonly registrationToken: string | (() => Promise<string>);
  /** Allows plain http to a host that is not this machine. */
  readonly insecure?: boolean;
  /** PEM text: trusted beside the usual authorities. */
  readonly ca?: string;
  /** PEM texts of a client certificate and its key. */
  readonly cert?: string;
  /** Of `cert`. */
  readonly key?: string;
  /** The system's by default. */
  readonly clock?: Clock;
  /** Told when the server is away and when it is back. Default: silent. */
  readonly log?: Logger;
  /** From 0 up to but without 1; Math.random where absent. */
  readonly random?: () => number;
}

const isFunction = (value: unknown) => typeof value === 'function';

const schema = z.strictObject({
  apiServer: z.string(),
  registrationToken: z.custom(
    (value) => typeof value === 'string' || isFunction(value),
    'must be a text, or a function that gets one',
  ),
  insecure: z.boolean().optional(),
  ca: z.string().optional(),
  cert: z.string().optional(),
  key: z.string().optional(),
  clock: z.unknown().optional(),
  log: z.custom(isLogger, 'lacks one of child, debug, info, warn, error').optional(),
  random: z.custom(isFunction, 'must be a function').optional(),
});

/** @throws RITMO_USAGE with everything that is wrong with the options; tokens and keys are not told. */
export function checkHttpOptions(options: HttpTransportOptions): void {
  const result = schema.safeParse(options);
  const problems =
    result.error?.issues.map(({ path, message }) => `${path.map(String).join('.') || 'options'}: ${message}`) ?? [];
  if (problems.length > 0)
    throw new RitmoError('RITMO_USAGE', `The options of the transport are wrong: ${problems.join('; ')}.`, {
      hint: 'The type HttpTransportOptions of @ritmo/agent-core says what each may be.',
    });
  if ((options.cert === undefined) !== (options.key === undefined))
    throw new RitmoError('RITMO_USAGE', 'A client certificate needs its key, and a key its certificate.');
}
