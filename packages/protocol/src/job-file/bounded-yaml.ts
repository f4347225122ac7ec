import { Composer, type Document, Lexer, LineCounter, Parser, type YAMLError } from 'yaml';

/** Bounds of a job file: what a person writes stays far below, what an attacker writes ends here. */
export const bounds = { bytes: 1024 * 1024, depth: 32, aliases: 100, expandedNodes: 50_000, problems: 100 } as const;

/** A mistake at an offset of the text. */
export interface Mistake {
  readonly offset: number;
  readonly message: string;
  readonly hint?: string;
}

interface Composed {
  readonly document: Document.Parsed | undefined;
  readonly lines: LineCounter;
  /** Present where the text is not YAML, so that nothing can be said of its contents. */
  readonly broken: readonly Mistake[];
}

const options = {
  version: '1.2',
  schema: 'core',
  merge: false,
  resolveKnownTags: false,
  stringKeys: true,
  uniqueKeys: false,
  prettyErrors: false,
} as const;

/** Reads one YAML document. Depth is bounded while tokens are read, before anything recurses into it. */
export function composeBounded(text: string): Composed {
  const lines = new LineCounter();
  const failed = (mistake: Mistake): Composed => ({ document: undefined, lines, broken: [mistake] });
  if (Buffer.byteLength(text) > bounds.bytes) return failed({ offset: 0, message: 'is larger than 1 MiB' });

  const parser = new Parser(lines.addNewLine);
  const tokens = [];
  lines.addNewLine(0);
  for (const lexeme of new Lexer().lex(text)) {
    for (const token of parser.next(lexeme)) tokens.push(token);
    // The document and the scalar that is being read stand on the stack as well.
    if (parser.stack.length > bounds.depth + 2)
      return failed({ offset: parser.offset, message: `is nested deeper than ${bounds.depth} levels` });
  }
  tokens.push(...parser.end());

  const documents = [...new Composer(options).compose(tokens, true, text.length)];
  const [document, second] = documents;
  if (document === undefined) return failed({ offset: 0, message: 'is empty' });
  if (second !== undefined)
    return failed({ offset: second.range[0], message: 'holds more than one document', hint: 'Write one job a file.' });
  if (document.contents === null || document.contents.range[0] === document.contents.range[1])
    return failed({ offset: 0, message: 'is empty' });
  // Tags that it does not know are warnings to the reader; `inspect` refuses them all.
  return { document, lines, broken: document.errors.map(explain) };
}

function explain(error: YAMLError): Mistake {
  const offset = error.pos[0];
  if (error.code === 'TAB_AS_INDENT') return { offset, message: 'a tab indents here', hint: 'Indent with spaces.' };
  if (error.code === 'NON_STRING_KEY') return { offset, message: 'a key must be text' };
  return { offset, message: `is not YAML: ${error.message.replace(/\s+/g, ' ')}` };
}
