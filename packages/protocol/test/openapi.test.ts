import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { openApiDocument } from '../scripts/openapi-document.js';
import { type Route, routes } from '../src/routes.js';

const checkedIn = readFileSync(new URL('../openapi.json', import.meta.url), 'utf8');

test('openapi.json is what the routes say; `pnpm openapi` writes it anew', () => {
  expect(JSON.parse(checkedIn)).toEqual(JSON.parse(openApiDocument()));
});

test('the key of each route is its operationId, and no two routes share method and path', () => {
  const entries = Object.entries<Route>(routes);
  for (const [key, route] of entries) expect(route.operationId).toBe(key);
  expect(new Set(entries.map(([, route]) => `${route.method} ${route.path}`)).size).toBe(entries.length);
});

test('each parameter of a path is described, and nothing else', () => {
  for (const route of Object.values<Route>(routes)) {
    const named = [...route.path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? '');
    expect(Object.keys(route.params?.shape ?? {}).toSorted(), route.operationId).toEqual(named.toSorted());
  }
});

test('every call but the health check takes a token', () => {
  const open = Object.values<Route>(routes).filter((route) => route.roles.includes('none'));
  expect(open.map((route) => route.operationId)).toEqual(['health']);
});
