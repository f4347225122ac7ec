import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root, shown } from './workspace.js';

export interface MarkdownLink {
  readonly line: number;
  readonly target: string;
}

export interface MarkdownPage {
  readonly file: string;
  readonly links: readonly MarkdownLink[];
  /** What `#…` may lead to. */
  readonly anchors: ReadonlySet<string>;
  /** Fenced blocks with their language. */
  readonly blocks: ReadonlyArray<{ readonly language: string; readonly text: string; readonly line: number }>;
}

const leftOut = new Set(['node_modules', 'dist', '.git', '.turbo']);

/** Every Markdown file of the repository. */
export function markdownFiles(folder = root): readonly string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return leftOut.has(entry.name) ? [] : markdownFiles(path);
    return entry.name.endsWith('.md') ? [path] : [];
  });
}

export function readMarkdown(file: string): MarkdownPage {
  const links: MarkdownLink[] = [];
  const anchors = new Set<string>();
  const blocks: { language: string; text: string; line: number }[] = [];
  let open: { language: string; lines: string[]; line: number } | undefined;
  for (const [index, text] of readFileSync(file, 'utf8').split('\n').entries()) {
    const fence = /^\s*```(\w*)/.exec(text);
    if (fence && open) {
      blocks.push({ language: open.language, text: open.lines.join('\n'), line: open.line });
      open = undefined;
    } else if (fence) open = { language: fence[1] ?? '', lines: [], line: index + 1 };
    else if (open) open.lines.push(text);
    else {
      const heading = /^#{1,6} (.+)$/.exec(text)?.[1];
      if (heading !== undefined) anchors.add(unused(anchors, slug(heading)));
      links.push(...linksOf(text).map((target) => ({ line: index + 1, target })));
    }
  }
  if (open) throw new Error(`${shown(file)}:${open.line}: a block is not closed`);
  return { file, links, anchors, blocks };
}

function linksOf(line: string): readonly string[] {
  const text = line.replace(/`[^`]*`/g, '');
  const inline = [...text.matchAll(/\]\(([^()\s]+)(?:\s+"[^"]*")?\)/g)];
  const references = [...text.matchAll(/^\[[^\]]+\]:\s*(\S+)/g)];
  return [...inline, ...references].map((match) => match[1] ?? '');
}

/** The anchor that GitHub makes of a heading. */
function slug(heading: string): string {
  return heading
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replace(/\s/g, '-');
}

function unused(anchors: ReadonlySet<string>, wanted: string): string {
  for (let count = 0; ; count += 1) {
    const candidate = count === 0 ? wanted : `${wanted}-${count}`;
    if (!anchors.has(candidate)) return candidate;
  }
}
