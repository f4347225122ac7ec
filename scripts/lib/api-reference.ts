import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const file = join(import.meta.dirname, '..', '..', 'packages', 'protocol', 'openapi.json');

interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | boolean;
  readonly required?: readonly string[];
  readonly description?: string;
}
interface Operation {
  readonly summary?: string;
  readonly parameters?: ReadonlyArray<{ readonly name: string; readonly in: string; readonly required?: boolean }>;
  readonly requestBody?: { readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly content?: Content }>>;
}
type Content = Readonly<Record<string, { readonly schema?: Schema }>>;
interface OpenApi {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

/** The reference page of all calls and their fields, as it lies in docs/reference/worker-api-fields.md. */
export function apiReference(): string {
  const { paths, components } = JSON.parse(readFileSync(file, 'utf8')) as OpenApi;
  const calls = Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations)
      .filter(([method]) => /^(get|put|post|patch|delete|head)$/.test(method))
      .map(([method, operation]) => callSection(`${method.toUpperCase()} ${path}`, operation)),
  );
  const schemas = Object.entries(components.schemas).map(([name, schema]) => schemaSection(name, schema));
  return [head, '## Calls\n', ...calls, '## Shapes\n', ...schemas].join('\n');
}

function callSection(name: string, { summary, parameters = [], requestBody, responses }: Operation): string {
  const given = parameters.map(
    (one) => `\`${one.name}\` (${one.in}${one.required === true ? '' : ', may be left out'})`,
  );
  const answers = Object.entries(responses).map(([status, { content }]) => {
    const shape = shapeOf(content);
    return `${status}${shape === '' ? '' : ` ${shape}`}`;
  });
  return [
    `### ${name}`,
    '',
    ...(summary === undefined ? [] : [summary.replace(/\.?$/, '.'), '']),
    ...(given.length === 0 ? [] : [`- Parameters: ${given.join(', ')}`]),
    ...(requestBody === undefined ? [] : [`- Body: ${shapeOf(requestBody.content)}`]),
    `- Answers: ${answers.join(', ')}`,
    '',
  ].join('\n');
}

function shapeOf(content: Content = {}): string {
  return Object.entries(content)
    .map(([type, { schema }]) => (type === 'application/json' && schema ? typeOf(schema) : `\`${type}\``))
    .join(' or ');
}

function schemaSection(name: string, schema: Schema): string {
  const required = new Set(schema.required);
  const rows = Object.entries(schema.properties ?? {}).map(
    ([key, field]) => `| \`${key}\` | ${typeOf(field)} | ${required.has(key) ? 'yes' : ''} |`,
  );
  if (rows.length === 0) return `### ${name}\n\n${typeOf({ ...schema, properties: {} })}\n`;
  return [`### ${name}`, '', '| field | type | always there |', '|---|---|---|', ...rows, ''].join('\n');
}

/** A type in a few words; shapes of their own as links. */
function typeOf(schema: Schema): string {
  if (schema.$ref !== undefined) {
    const name = schema.$ref.split('/').at(-1) ?? '';
    return `[${name}](#${name.toLowerCase()})`;
  }
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices !== undefined) return choices.map(typeOf).join(' or ');
  if (schema.const !== undefined) return `\`${JSON.stringify(schema.const)}\``;
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${JSON.stringify(value)}\``).join(', ');
  if (schema.type === 'array') return `list of ${typeOf(schema.items ?? {})}`;
  const fields = Object.entries(schema.properties ?? {});
  if (fields.length > 0) return fields.map(([key, field]) => `\`${key}\`: ${typeOf(field)}`).join('; ');
  if (typeof schema.additionalProperties === 'object') return `map to ${typeOf(schema.additionalProperties)}`;
  return typeof schema.type === 'string' ? schema.type : 'any value';
}

const head = `# Worker API, field by field

<!-- Generated from packages/protocol/openapi.json by \`pnpm docs:generate\`; a test fails when it is stale. -->

Every call and every shape of the OpenAPI document that a server answers at \`/openapi.json\` and that \`@ritmo/protocol/openapi.json\`
holds. What the calls are for, and in which order they come, is on [the page of the worker API](worker-api.md).
`;
