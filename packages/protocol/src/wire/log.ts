import { z } from 'zod';
import { epoch, sha256 } from '../names.js';
import { cancelOrder } from './common.js';

export const appendAnswer = z.object({ next: z.int().min(0), cancel: cancelOrder.optional() });
export type AppendAnswer = z.output<typeof appendAnswer>;

export const sealRequest = z.object({ epoch, length: z.int().min(0), sha256, truncatedBytes: z.int().min(0) });
export type Seal = Omit<z.output<typeof sealRequest>, 'epoch'>;
