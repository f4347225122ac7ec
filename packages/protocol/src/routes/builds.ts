import { artifactsAnswer, artifactsRequest, completeRequest } from '../wire/artifact.js';
import { empty } from '../wire/common.js';
import { finishRequest } from '../wire/finish.js';
import { appendAnswer, sealRequest } from '../wire/log.js';
import { acceptRequest, releaseRequest } from '../wire/worker.js';
import { maxAppendBytes } from '../log-record.js';
import { artifactParams, epochHeaders, jobParams, logNext, protocolHeaders, wireInt } from './parts.js';
import type { Route } from './route.js';
import { z } from 'zod';

const params = jobParams;
const headers = protocolHeaders;
const withEpoch = protocolHeaders.extend(epochHeaders.shape);
const largeBody = 4 * 1024 * 1024;

/** Calls of a worker about a build: each carries the job token and the epoch. */
export const buildRoutes = {
  acceptJob: {
    method: 'post',
    path: '/v1/jobs/{id}/accept',
    operationId: 'acceptJob',
    roles: ['job'],
    tag: 'builds',
    summary: 'Accept an offer; no step starts before the answer',
    headers,
    params,
    body: acceptRequest,
    answers: { 200: { description: 'The job runs.', schema: empty } },
  },
  releaseJob: {
    method: 'post',
    path: '/v1/jobs/{id}/release',
    operationId: 'releaseJob',
    roles: ['job'],
    tag: 'builds',
    summary: 'Hand a job back before its first step; the attempt does not count',
    headers,
    params,
    body: releaseRequest,
    answers: { 200: { description: 'Queued again.', schema: empty } },
  },
  appendLog: {
    method: 'put',
    path: '/v1/jobs/{id}/log',
    operationId: 'appendLog',
    roles: ['job'],
    tag: 'builds',
    summary: 'Append bytes of the log from an offset on',
    description:
      'Answered once the bytes are on disk. Bytes that the server has are skipped; 416 names `next` on a hole; ' +
      '409 RITMO_SEALED after the seal; 413 when the body is over 4 MiB. `Content-Encoding: gzip` is taken.',
    headers: withEpoch,
    params,
    query: z.object({ offset: wireInt }),
    bytes: { description: 'Lines of the log, as in the spool.' },
    maxBodyBytes: maxAppendBytes,
    answers: { 200: { description: 'Kept.', schema: appendAnswer } },
  },
  logOffset: {
    method: 'head',
    path: '/v1/jobs/{id}/log',
    operationId: 'logOffset',
    roles: ['job'],
    tag: 'builds',
    summary: 'Ask for the offset that is wanted next',
    headers: withEpoch,
    params,
    answers: { 200: { description: 'The offset stands in a header.', headers: logNext } },
  },
  sealLog: {
    method: 'post',
    path: '/v1/jobs/{id}/log/seal',
    operationId: 'sealLog',
    roles: ['job'],
    tag: 'builds',
    summary: 'End the log',
    description:
      '412 names `next` where bytes are missing. Where the bytes differ the log is truncated and `next` is 0, once; ' +
      'a second difference ends the job as errored.',
    headers,
    params,
    body: sealRequest,
    answers: { 200: { description: 'Sealed.', schema: empty } },
  },
  planArtifacts: {
    method: 'post',
    path: '/v1/jobs/{id}/artifacts',
    operationId: 'planArtifacts',
    roles: ['job'],
    tag: 'builds',
    summary: 'Announce files and learn where their bytes go',
    headers: withEpoch,
    params,
    body: artifactsRequest,
    maxBodyBytes: largeBody,
    answers: { 200: { description: 'One plan for each file, in the same order.', schema: artifactsAnswer } },
  },
  uploadArtifact: {
    method: 'put',
    path: '/v1/jobs/{id}/artifacts/{artifactId}/content',
    operationId: 'uploadArtifact',
    roles: ['job'],
    tag: 'builds',
    summary: 'Send the bytes of one announced file',
    headers: withEpoch,
    params: artifactParams,
    bytes: { description: 'The file, of the size that was announced.' },
    answers: { 200: { description: 'On disk.', schema: empty, headers: z.object({ ETag: z.string() }) } },
  },
  completeArtifact: {
    method: 'post',
    path: '/v1/jobs/{id}/artifacts/{artifactId}/complete',
    operationId: 'completeArtifact',
    roles: ['job'],
    tag: 'builds',
    summary: 'Say what was sent; the file is listed from now on',
    headers,
    params: artifactParams,
    body: completeRequest,
    answers: { 200: { description: 'Stored.', schema: empty } },
  },
  finishJob: {
    method: 'post',
    path: '/v1/jobs/{id}/finish',
    operationId: 'finishJob',
    roles: ['job'],
    tag: 'builds',
    summary: 'Report how the build ended; the first report stands',
    headers,
    params,
    body: finishRequest,
    maxBodyBytes: largeBody,
    answers: { 200: { description: 'Kept.', schema: empty } },
  },
} as const satisfies Record<string, Route>;
