import type { workerList } from '@ritmo/protocol';
import type { z } from 'zod';

export type { Registration } from '@ritmo/protocol';
export type WorkerList = z.output<typeof workerList>;
