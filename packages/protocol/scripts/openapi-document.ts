import { type CreateDocumentOptions, createDocument, type ZodOpenApiOperationObject } from 'zod-openapi';
import * as protocol from '../src/index.js';
import { type Answer, type Route, routes } from '../src/routes.js';

const { errorAnswer, protocolVersion } = protocol;

/** Schemas that the document names once and refers to. */
const schemas = {
  Error: errorAnswer,
  Failure: protocol.failure,
  Job: protocol.job,
  JobSummary: protocol.jobSummary,
  IsolationOffer: protocol.isolationOffer,
  WorkerSummary: protocol.workerSummary,
  StepResult: protocol.stepResult,
  CancelOrder: protocol.cancelOrder,
  Offer: protocol.offer,
  ArtifactFile: protocol.artifactFile,
  ArtifactEntry: protocol.artifactEntry,
  WorkerEvent: protocol.workerEvent,
};

/** Objects take members of a newer version, unless their schema is strict. */
const options: CreateDocumentOptions = {
  override: ({ jsonSchema, zodSchema }) => {
    const { def } = zodSchema._zod;
    if (def.type === 'object' && def.catchall === undefined) delete jsonSchema.additionalProperties;
  },
};

/** The OpenAPI 3.1 document of the routes, as it stands in openapi.json. */
export function openApiDocument(): string {
  const paths: Record<string, Record<string, ZodOpenApiOperationObject>> = {};
  for (const route of Object.values<Route>(routes)) (paths[route.path] ??= {})[route.method] = operation(route);
  const document = createDocument(
    {
      openapi: '3.1.0',
      info: {
        title: 'Ritmo worker API',
        version: `${protocolVersion}.0.0`,
        description: 'The contract between worker agents, people, tools and an API server.',
        license: { name: 'MIT', identifier: 'MIT' },
      },
      paths,
      components: {
        schemas,
        securitySchemes: Object.fromEntries(
          (['user', 'registration', 'worker', 'job'] as const).map((role) => [
            role,
            { type: 'http', scheme: 'bearer', description: `A ${role} token.` },
          ]),
        ),
      },
    },
    options,
  );
  return `${JSON.stringify(document, undefined, 2)}\n`;
}

function operation(route: Route): ZodOpenApiOperationObject {
  const { params, query, headers } = route;
  return {
    operationId: route.operationId,
    tags: [route.tag],
    summary: route.summary,
    ...(route.description && { description: route.description }),
    security: route.roles.flatMap((role) => (role === 'none' ? [] : [{ [role]: [] }])),
    ...((params || query || headers) && {
      requestParams: { ...(params && { path: params }), ...(query && { query }), ...(headers && { header: headers }) },
    }),
    ...requestBody(route),
    responses: {
      ...Object.fromEntries(Object.entries(route.answers).map(([status, answer]) => [status, response(answer)])),
      default: {
        description: 'Refused: the only form of error that is the word of the server.',
        content: { 'application/json': { schema: errorAnswer } },
      },
    },
  };
}

function requestBody(route: Route): Pick<ZodOpenApiOperationObject, 'requestBody'> {
  if (route.body) return { requestBody: { required: true, content: { 'application/json': { schema: route.body } } } };
  if (!route.bytes) return {};
  const binary = { schema: { type: 'string', format: 'binary' } as const };
  return {
    requestBody: {
      required: true,
      description: route.bytes.description,
      content: { 'application/octet-stream': binary },
    },
  };
}

function response(answer: Answer) {
  return {
    description: answer.description,
    ...(answer.headers && { headers: answer.headers }),
    ...(answer.schema && { content: { 'application/json': { schema: answer.schema } } }),
    ...(answer.contentType && { content: { [answer.contentType]: { schema: { type: 'string' } as const } } }),
  };
}
