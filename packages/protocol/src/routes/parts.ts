import { z } from 'zod';
import { epoch, jobId } from '../names.js';
import { epochHeader, logNextHeader, protocolHeader } from '../wire/common.js';

/** Header of log answers to people: the attempt whose log it is. */
export const attemptHeader = 'Ritmo-Attempt';
/** Header of log answers to people: 1, and 2 once the log was begun anew since its bytes were not those of its seal. */
export const editionHeader = 'Ritmo-Log-Edition';
/** Header that makes a repeated submit harmless. */
export const idempotencyHeader = 'Idempotency-Key';

const digits = (schema: z.ZodNumber) =>
  z
    .string()
    .regex(/^\d{1,16}$/, 'must be a number')
    .transform(Number)
    .pipe(schema)
    .meta({ override: { type: 'integer', minimum: 0, pattern: undefined } });

export const wireInt = digits(z.int().min(0));
export const wireEpoch = digits(epoch);
export const flag = z.enum(['0', '1', 'true', 'false']).transform((word) => word === '1' || word === 'true');

/** Of lists: the cursor that the page before answered; a limit above 500 is read as 500. */
export const pageQuery = { cursor: z.string().max(64).optional(), limit: wireInt.optional() };

export const workerParams = z.object({ id: z.string().max(64) });
export const jobParams = z.object({ id: jobId });
export const artifactParams = z.object({ id: jobId, artifactId: z.string().max(64) });

export const epochHeaders = z.object({ [epochHeader]: wireEpoch });
export const protocolHeaders = z.object({ [protocolHeader]: z.string().optional() });
export const logNext = z.object({ [logNextHeader]: z.string() });
export const attemptOf = z.object({ [attemptHeader]: z.string() });
export const logOf = z.object({ [attemptHeader]: z.string(), [editionHeader]: z.string() });
