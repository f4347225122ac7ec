/** Half-open ranges [start, end) of a byte stream: sorted, apart from each other, adjacent ones joined. */
export class Spans {
  readonly starts: number[] = [];
  readonly ends: number[] = [];

  get size(): number {
    return this.starts.length;
  }

  /** Adds a range whose end lies at or after every end so far. */
  add(start: number, end: number): void {
    let first = start;
    while (this.size > 0 && (this.ends[this.size - 1] as number) >= first) {
      first = Math.min(first, this.starts.pop() as number);
      this.ends.pop();
    }
    this.starts.push(first);
    this.ends.push(end);
  }

  /** The part from `from` on, counted from `origin`. */
  after(from: number, origin: number): Spans {
    const rest = new Spans();
    for (let i = 0; i < this.size; i++) {
      const end = this.ends[i] as number;
      if (end > from) rest.add(Math.max(this.starts[i] as number, from) - origin, end - origin);
    }
    return rest;
  }

  /** All that lies in one of the two. */
  static union(a: Spans, b: Spans): Spans {
    if (b.size === 0) return a;
    if (a.size === 0) return b;
    const all = new Spans();
    let i = 0;
    let j = 0;
    while (i < a.size || j < b.size) {
      if (j === b.size || (i < a.size && (a.ends[i] as number) <= (b.ends[j] as number))) {
        all.add(a.starts[i] as number, a.ends[i] as number);
        i++;
      } else {
        all.add(b.starts[j] as number, b.ends[j] as number);
        j++;
      }
    }
    return all;
  }
}
