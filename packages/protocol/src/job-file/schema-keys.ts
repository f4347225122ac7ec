import { z } from 'zod';
import { type Path, showPath } from './problem.js';

/** Which keys a schema knows, and where. */
export interface KeyIndex {
  /** Keys of the map at a path. */
  at(path: Path): readonly string[];
  /** Where a key that is unknown here would be right: `under \`limits\``; undefined where nowhere. */
  placesOf(key: string): string | undefined;
}

type JsonSchema = z.core.JSONSchema.BaseSchema;

/** Index of the keys of a schema, read from its JSON Schema. */
export function keyIndex(schema: z.ZodType): KeyIndex {
  const root = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  return {
    at: (path) =>
      variants(path.reduce<JsonSchema | undefined>(step, root)).flatMap((variant) =>
        Object.keys(variant.properties ?? {}),
      ),
    placesOf(key) {
      const owners = [...ownersOf(root, [])].filter(({ known }) => known.includes(key)).map(({ path }) => path);
      if (owners.length === 0) return undefined;
      const places = owners.map((path) => (path.length === 0 ? 'at the top' : `under \`${showPath(path)}\``));
      return places.join(' or ');
    },
  };
}

/** The maps among the forms that a value may have. */
function variants(schema: JsonSchema | undefined): JsonSchema[] {
  if (schema === undefined) return [];
  return [schema, ...(schema.anyOf ?? []).flatMap((form) => (typeof form === 'object' ? variants(form) : []))];
}

function step(schema: JsonSchema | undefined, part: string | number): JsonSchema | undefined {
  for (const variant of variants(schema)) {
    const next =
      typeof part === 'number' ? variant.items : (variant.properties?.[part] ?? variant.additionalProperties);
    if (typeof next === 'object' && next !== null && !Array.isArray(next)) return next;
  }
  return undefined;
}

/** Every map of the schema with its keys; `steps` stands for each of its entries. */
function* ownersOf(
  schema: JsonSchema,
  path: Path,
): Generator<{ readonly path: Path; readonly known: readonly string[] }> {
  for (const variant of variants(schema)) {
    const properties = Object.entries(variant.properties ?? {});
    if (properties.length > 0) yield { path, known: properties.map(([key]) => key) };
    for (const [key, inner] of properties) if (typeof inner === 'object') yield* ownersOf(inner, [...path, key]);
    for (const inner of [variant.items, variant.additionalProperties])
      if (typeof inner === 'object' && inner !== null && !Array.isArray(inner)) yield* ownersOf(inner, path);
  }
}
