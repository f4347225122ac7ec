/** What is on the disk of a machine is not what this program can read: another kind of file system, or a lie. */
export class Unreadable extends Error {
  override readonly name = 'Unreadable';
}

/** Throws {@link Unreadable} unless the condition holds. */
export function demand(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Unreadable(what);
}
