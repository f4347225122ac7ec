import { z } from 'zod';
import {
  artifactPage,
  cancelRequest,
  jobDetail,
  jobPage,
  jobState,
  jobSummary,
  submitRequest,
  workerList,
  workerSummary,
} from '../wire/people.js';
import {
  artifactParams,
  attemptOf,
  flag,
  idempotencyHeader,
  jobParams,
  logOf,
  pageQuery,
  wireEpoch,
  wireInt,
  workerParams,
} from './parts.js';
import type { Route } from './route.js';

const roles = ['user'] as const;

function command(word: 'pause' | 'resume' | 'drain', summary: string) {
  return {
    method: 'post',
    path: `/v1/workers/{id}/${word}`,
    operationId: `${word}Worker`,
    roles,
    tag: 'operators',
    summary,
    params: workerParams,
    answers: { 200: { description: 'The worker is told.', schema: workerSummary } },
  } as const satisfies Route;
}

/** Calls of people and tools. */
export const peopleRoutes = {
  submitJob: {
    method: 'post',
    path: '/v1/jobs',
    operationId: 'submitJob',
    roles,
    tag: 'jobs',
    summary: 'Submit a job',
    description:
      'The job is at most 1 MiB. Secrets are write-only: encrypted at rest, given only to the worker that runs the job, ' +
      'erased at its end; a secret that the job does not name is refused. The same Idempotency-Key with the same body ' +
      'answers the job that exists.',
    headers: z.object({ [idempotencyHeader]: z.string().min(1).max(255).optional() }),
    body: submitRequest,
    maxBodyBytes: 8 * 1024 * 1024,
    answers: {
      201: { description: 'Queued.', schema: jobSummary },
      200: { description: 'The job that this key submitted before.', schema: jobSummary },
    },
  },
  listJobs: {
    method: 'get',
    path: '/v1/jobs',
    operationId: 'listJobs',
    roles,
    tag: 'jobs',
    summary: 'List jobs, the newest first',
    query: z.object({
      /** May be given several times. */
      state: z.union([jobState, z.array(jobState)]).optional(),
      /** `key=value`; may be given several times, all must match. */
      label: z.union([z.string(), z.array(z.string())]).optional(),
      ...pageQuery,
    }),
    answers: { 200: { description: 'A page; `cursor` is there when more follow.', schema: jobPage } },
  },
  getJob: {
    method: 'get',
    path: '/v1/jobs/{id}',
    operationId: 'getJob',
    roles,
    tag: 'jobs',
    summary: 'Read one job; for a queued one, which workers could take it and why others cannot',
    params: jobParams,
    answers: { 200: { description: 'The job.', schema: jobDetail } },
  },
  cancelJob: {
    method: 'post',
    path: '/v1/jobs/{id}/cancel',
    operationId: 'cancelJob',
    roles,
    tag: 'jobs',
    summary: 'Cancel a job; the first reason stands',
    params: jobParams,
    body: cancelRequest,
    answers: { 200: { description: 'Cancelled, or being cancelled.', schema: jobSummary } },
  },
  readLog: {
    method: 'get',
    path: '/v1/jobs/{id}/log',
    operationId: 'readLog',
    roles,
    tag: 'jobs',
    summary: 'Read or follow the log',
    description:
      'With `follow=1` what is there comes first and the rest as it arrives, until the attempt ended; without `attempt` ' +
      'a follow waits for the first attempt and goes on with the next one until the job ended. Offsets count the bytes ' +
      'of one attempt; each attempt begins with its header record. A follow is cut off when its log is begun anew: the ' +
      'edition tells whether an offset still counts.',
    params: jobParams,
    query: z.object({ attempt: wireEpoch.optional(), offset: wireInt.optional(), follow: flag.optional() }),
    answers: { 200: { description: 'Log records.', contentType: 'application/x-ndjson', headers: logOf } },
  },
  readLogText: {
    method: 'get',
    path: '/v1/jobs/{id}/log.txt',
    operationId: 'readLogText',
    roles,
    tag: 'jobs',
    summary: 'Read the log as plain text',
    description:
      'Only colours, carriage return and erase-line pass, colours end with their step; `raw=1` as it was printed.',
    params: jobParams,
    query: z.object({ attempt: wireEpoch.optional(), raw: flag.optional() }),
    answers: { 200: { description: 'Text.', contentType: 'text/plain; charset=utf-8', headers: attemptOf } },
  },
  listArtifacts: {
    method: 'get',
    path: '/v1/jobs/{id}/artifacts',
    operationId: 'listArtifacts',
    roles,
    tag: 'jobs',
    summary: 'List the stored files of an attempt, the latest where none is named',
    params: jobParams,
    query: z.object({ attempt: wireEpoch.optional(), ...pageQuery }),
    answers: { 200: { description: 'A page; `cursor` is there when more follow.', schema: artifactPage } },
  },
  getArtifact: {
    method: 'get',
    path: '/v1/jobs/{id}/artifacts/{artifactId}',
    operationId: 'getArtifact',
    roles,
    tag: 'jobs',
    summary: 'Download one stored file',
    params: artifactParams,
    answers: { 200: { description: 'The bytes.', contentType: 'application/octet-stream' } },
  },
  listWorkers: {
    method: 'get',
    path: '/v1/workers',
    operationId: 'listWorkers',
    roles,
    tag: 'operators',
    summary: 'List workers',
    answers: { 200: { description: 'Workers.', schema: workerList } },
  },
  pauseWorker: command('pause', 'Give a worker no new jobs; it stays registered'),
  resumeWorker: command('resume', 'Give a paused worker jobs again'),
  drainWorker: command('drain', 'Let a worker finish what it runs and end'),
} as const satisfies Record<string, Route>;
