import { type Document, isAlias, isMap, isNode, isScalar, isSeq, type Node, type ParsedNode } from 'yaml';
import { bounds, type Mistake } from './bounded-yaml.js';

const coreTag = /^tag:yaml\.org,2002:(str|int|float|bool|null|map|seq)$/;

/** Keys that `inspect` speaks of, so that nobody else need. */
export const forbiddenKeys: readonly unknown[] = ['__proto__', '<<'];

interface Inspection {
  readonly mistakes: readonly Mistake[];
  /** Whether the document can be made a plain value: its aliases end, and do not grow beyond the bounds. */
  readonly readable: boolean;
}

/**
 * What a schema cannot see any more once the document is a plain value: aliases (their number, what they grow to,
 * whether one holds itself), tags, and keys that mean something to JavaScript or to other YAML readers.
 */
export function inspect(document: Document.Parsed): Inspection {
  const mistakes: Mistake[] = [];
  const open = new Set<Node>();
  const sizes = new Map<Node, number>();
  /** The last node of each anchor so far: the one that an alias stands for. */
  const anchors = new Map<string, Node>();
  let aliases = 0;
  let readable = true;

  /** Nodes below and with this one, aliases followed. */
  const measure = (node: unknown): number => {
    if (!isNode(node)) return 1;
    const known = sizes.get(node);
    if (known !== undefined) return known;
    open.add(node);
    const size = measureOpen(node);
    open.delete(node);
    sizes.set(node, size);
    return size;
  };

  const measureOpen = (node: Node): number => {
    const offset = node.range?.[0] ?? 0;
    if (isAlias(node)) {
      aliases += 1;
      // `resolve` of the node would look through the whole document for each.
      const target = anchors.get(node.source);
      if (target !== undefined && !open.has(target)) return measure(target);
      readable = false;
      const fault = target === undefined ? 'stands for nothing above it' : 'holds itself';
      mistakes.push({ offset, message: `the alias *${node.source} ${fault}` });
      return 1;
    }
    if (!isScalar(node) && !isMap(node) && !isSeq(node)) return 1;
    if (node.anchor !== undefined) anchors.set(node.anchor, node);
    if (node.tag !== undefined && !coreTag.test(node.tag))
      mistakes.push({
        offset,
        message: `the tag ${node.tag} is not allowed`,
        hint: 'Take it away; put text in quotes.',
      });
    if (isSeq(node)) return node.items.reduce((sum: number, item) => sum + measure(item), 1);
    if (!isMap(node)) return 1;
    const seen = new Set<unknown>();
    return node.items.reduce((sum: number, { key, value }) => {
      checkKey(key, seen);
      return sum + 1 + measure(value);
    }, 1);
  };

  const checkKey = (key: unknown, seen: Set<unknown>) => {
    if (!isScalar(key)) return;
    const offset = key.range?.[0] ?? 0;
    if (key.anchor !== undefined) anchors.set(key.anchor, key);
    if (seen.has(key.value))
      mistakes.push({ offset, message: `the key ${JSON.stringify(key.value)} stands here a second time` });
    seen.add(key.value);
    if (key.value === '__proto__') mistakes.push({ offset, message: 'the key __proto__ is not allowed' });
    if (key.value === '<<')
      mistakes.push({
        offset,
        message: 'merge keys (<<) are not allowed',
        hint: 'Give the whole value an anchor, or write it out.',
      });
  };

  const root: ParsedNode | null = document.contents;
  const size = measure(root);
  if (aliases > bounds.aliases)
    mistakes.unshift({ offset: 0, message: `holds ${aliases} aliases, more than ${bounds.aliases}` });
  if (readable && size > bounds.expandedNodes) {
    readable = false;
    mistakes.push({
      offset: 0,
      message: `grows to more than ${bounds.expandedNodes} values when its aliases are followed`,
    });
  }
  return { mistakes, readable };
}
