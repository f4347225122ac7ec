import type { z } from 'zod';

/** Whose token a call takes; `none` takes calls without a token. */
export type Role = 'none' | 'user' | 'registration' | 'worker' | 'job';

/** One answer of a call: JSON by `schema`, bytes or text by `contentType`, or nothing. */
export interface Answer {
  readonly description: string;
  readonly schema?: z.ZodType;
  readonly contentType?: string;
  readonly headers?: z.ZodObject;
}

/** One call of the API as plain data: server, reference and OpenAPI document are made from it. */
export interface Route {
  readonly method: 'get' | 'head' | 'post' | 'put' | 'patch' | 'delete';
  /** With `{name}` where a parameter stands. */
  readonly path: string;
  readonly operationId: string;
  /** Any of them is enough. */
  readonly roles: readonly Role[];
  readonly tag: 'workers' | 'builds' | 'jobs' | 'operators' | 'system';
  readonly summary: string;
  readonly description?: string;
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  readonly headers?: z.ZodObject;
  /** A JSON body. */
  readonly body?: z.ZodType;
  /** A body of raw bytes, `application/octet-stream`. */
  readonly bytes?: { readonly description: string };
  /** Most bytes of the body after `Content-Encoding: gzip`; 1 MiB where absent. */
  readonly maxBodyBytes?: number;
  readonly answers: Readonly<Record<number, Answer>>;
}

/** Most bytes of a JSON body where a route names no other bound. */
export const defaultBodyBytes = 1024 * 1024;
