import { z } from 'zod';
import { empty } from '../wire/common.js';
import {
  adoptionAnswer,
  adoptionRequest,
  claimAnswer,
  claimRequest,
  heartbeatAnswer,
  registration,
  workerInfo,
  workerPatch,
  workerStatus,
} from '../wire/worker.js';
import { protocolHeaders, wireInt, workerParams } from './parts.js';
import type { Route } from './route.js';

const headers = protocolHeaders;
const params = workerParams;
const largeBody = 4 * 1024 * 1024;

/** Calls of a worker about itself. */
export const workerRoutes = {
  registerWorker: {
    method: 'post',
    path: '/v1/workers',
    operationId: 'registerWorker',
    roles: ['registration'],
    tag: 'workers',
    summary: 'Register a worker, or take up a name again',
    description:
      'A name that exists needs its resume key. The same instanceId keeps everything; a new one supersedes the old ' +
      'instance and names each lease of the answer in `adoptions` within 15 s.',
    headers,
    body: workerInfo,
    answers: { 201: { description: 'Registered.', schema: registration } },
  },
  updateWorker: {
    method: 'patch',
    path: '/v1/workers/{id}',
    operationId: 'updateWorker',
    roles: ['worker'],
    tag: 'workers',
    summary: 'Change labels, slots or capabilities at run time',
    headers,
    params,
    body: workerPatch,
    answers: { 200: { description: 'Changed.', schema: empty } },
  },
  adoptLeases: {
    method: 'post',
    path: '/v1/workers/{id}/adoptions',
    operationId: 'adoptLeases',
    roles: ['worker'],
    tag: 'workers',
    summary: 'Say what happens to the leases held before a restart of the agent',
    headers,
    params,
    body: adoptionRequest,
    maxBodyBytes: largeBody,
    answers: { 200: { description: 'One entry for each lease named, in the same order.', schema: adoptionAnswer } },
  },
  heartbeat: {
    method: 'post',
    path: '/v1/workers/{id}/heartbeat',
    operationId: 'heartbeat',
    roles: ['worker'],
    tag: 'workers',
    summary: 'Report the state of the worker and renew every lease named',
    headers,
    params,
    body: workerStatus,
    maxBodyBytes: largeBody,
    answers: { 200: { description: 'A verdict for each build named.', schema: heartbeatAnswer } },
  },
  claimJobs: {
    method: 'post',
    path: '/v1/workers/{id}/claims',
    operationId: 'claimJobs',
    roles: ['worker'],
    tag: 'workers',
    summary: 'Wait for jobs that this worker can run',
    description:
      'Held until a job fits or `waitMs` is over. The same requestId gives those of its offers that the worker still ' +
      'holds, with the time to accept restarted once.',
    headers,
    params,
    body: claimRequest,
    answers: { 200: { description: 'Offers.', schema: claimAnswer }, 204: { description: 'Nothing fitted in time.' } },
  },
  workerEvents: {
    method: 'get',
    path: '/v1/workers/{id}/events',
    operationId: 'workerEvents',
    roles: ['worker'],
    tag: 'workers',
    summary: 'Follow cancels and commands as server-sent events',
    description:
      'Each event carries a `workerEvent` as JSON in `data` and its `seq` as `id`; delivered at least once. ' +
      '`after` or Last-Event-ID names the last one seen. One stream a worker: a new one ends the older.',
    headers: headers.extend({ 'Last-Event-ID': wireInt.optional() }),
    params,
    query: z.object({ after: wireInt.optional() }),
    answers: { 200: { description: 'The stream.', contentType: 'text/event-stream' } },
  },
  deregisterWorker: {
    method: 'delete',
    path: '/v1/workers/{id}',
    operationId: 'deregisterWorker',
    roles: ['worker', 'user'],
    tag: 'workers',
    summary: 'Deregister a worker; leases that are not finished return at once',
    description: 'An operator may remove a worker too: its name is free again afterwards.',
    params,
    answers: { 204: { description: 'Gone.' } },
  },
} as const satisfies Record<string, Route>;
