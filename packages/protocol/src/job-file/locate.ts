import { type Document, isAlias, isMap, isNode, isScalar, isSeq, type Node } from 'yaml';
import type { Path } from './problem.js';

/** Offset of what stands at a path; of its key where `key` is asked; of what is nearest above where nothing is there. */
export function offsetOf(document: Document.Parsed, path: Path, key = false): number {
  let node: Node | undefined = follow(document, document.contents);
  let offset = node?.range?.[0] ?? 0;
  for (const [index, part] of path.entries()) {
    const wantsKey = key && index === path.length - 1;
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(part));
      if (pair === undefined) return offset;
      const keyOffset = isNode(pair.key) ? pair.key.range?.[0] : undefined;
      const valueOffset = isNode(pair.value) ? pair.value.range?.[0] : undefined;
      offset = (wantsKey ? keyOffset : (valueOffset ?? keyOffset)) ?? offset;
      node = follow(document, pair.value);
    } else if (isSeq(node)) {
      const item = node.items[Number(part)];
      if (!isNode(item)) return offset;
      offset = item.range?.[0] ?? offset;
      node = follow(document, item);
    } else return offset;
  }
  return offset;
}

function follow(document: Document.Parsed, node: unknown): Node | undefined {
  if (isAlias(node)) return node.resolve(document);
  return isNode(node) ? node : undefined;
}
