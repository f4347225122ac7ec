import { readFileSync } from 'node:fs';
import { parseSync } from 'vite';

/** What the tests of the repository want to know about a source file. */
export interface SourceFile {
  readonly file: string;
  readonly lines: number;
  readonly text: string;
  /** Every module that it names: imports, re-exports, `import()` of a literal and types. */
  readonly imports: readonly string[];
  readonly topLevelAwait: boolean;
  /** Names of variables at the top that can be assigned again. */
  readonly topLevelLets: number;
}

export function readSourceFile(file: string): SourceFile {
  const text = readFileSync(file, 'utf8');
  const { program, module, errors } = parseSync(file, text);
  if (errors.length > 0) throw new Error(`${file}: ${errors[0]?.message ?? 'cannot be parsed'}`);
  const imports = new Set<string>();
  for (const entry of module.staticImports) imports.add(entry.moduleRequest.value);
  for (const entry of module.staticExports)
    for (const { moduleRequest } of entry.entries) if (moduleRequest) imports.add(moduleRequest.value);
  const facts = { topLevelAwait: false };
  walk(program, false, (node, insideFunction) => {
    const literal = importedLiteral(node);
    if (literal !== undefined) imports.add(literal);
    if (!insideFunction && awaits(node)) facts.topLevelAwait = true;
  });
  return {
    file,
    text,
    lines: text.split('\n').length - 1,
    imports: [...imports],
    topLevelAwait: facts.topLevelAwait,
    topLevelLets: program.body.filter(isLet).length,
  };
}

interface Node {
  readonly type: string;
  readonly [key: string]: unknown;
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && typeof (value as { type?: unknown }).type === 'string';
}

function walk(value: unknown, insideFunction: boolean, visit: (node: Node, insideFunction: boolean) => void): void {
  if (Array.isArray(value)) {
    for (const item of value) walk(item, insideFunction, visit);
    return;
  }
  if (!isNode(value)) return;
  visit(value, insideFunction);
  const inside = insideFunction || /Function/.test(value.type);
  for (const child of Object.values(value)) walk(child, inside, visit);
}

function awaits(node: Node): boolean {
  if (node.type === 'AwaitExpression') return true;
  if (node.type === 'ForOfStatement') return node['await'] === true;
  return node.type === 'VariableDeclaration' && node['kind'] === 'await using';
}

function isLet(statement: unknown): boolean {
  if (!isNode(statement)) return false;
  const declaration = statement.type === 'ExportNamedDeclaration' ? statement['declaration'] : statement;
  return isNode(declaration) && declaration.type === 'VariableDeclaration' && declaration['kind'] === 'let';
}

/** The module of `import('x')`, as a value or as a type. */
function importedLiteral(node: Node): string | undefined {
  if (node.type !== 'ImportExpression' && node.type !== 'TSImportType') return undefined;
  const { source } = node;
  return isNode(source) && typeof source['value'] === 'string' ? source['value'] : undefined;
}
