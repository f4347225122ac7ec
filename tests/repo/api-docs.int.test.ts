import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { runProgram } from '../support/program.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import { root } from '../support/workspace.js';

/** What typedoc writes of a symbol, as far as it is looked at. */
interface Reflection {
  readonly name: string;
  readonly kind: number;
  readonly comment?: object;
  readonly inheritedFrom?: object;
  readonly children?: readonly Reflection[];
  readonly signatures?: readonly Reflection[];
  readonly getSignature?: Reflection;
}

/** Modules, constructors (what these take is said at the class) and what another entry exports too. */
const silent = new Set([1, 2, 512, 4_194_304]);

/** Names of all symbols below that nothing is said of. */
function undocumented(symbol: Reflection, path = ''): string[] {
  const said = [symbol, symbol.getSignature, ...(symbol.signatures ?? [])].some((one) => one?.comment !== undefined);
  const own = said || silent.has(symbol.kind) || symbol.inheritedFrom !== undefined ? [] : [path];
  return [...own, ...(symbol.children ?? []).flatMap((child) => undocumented(child, `${path}/${child.name}`))];
}

it('the library says of everything that it exports what it is, and typedoc reads it without a warning', {
  timeout: 600_000,
}, async () => {
  const docs = join(root, 'docs');
  const out = join(await temporaryFolder(), 'api.json');
  const typedoc = join(docs, 'node_modules', '.bin', 'typedoc');
  const { exitCode, stdout, stderr } = await runProgram([typedoc, '--json', out], { cwd: docs });
  expect(exitCode, stdout + stderr).toBe(0);
  expect(undocumented(JSON.parse(await readFile(out, 'utf8')) as Reflection)).toEqual([]);
});
