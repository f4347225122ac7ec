interface Waiting {
  readonly bytes: number;
  readonly go: () => void;
}

/** A bound on requests at once and on the bytes that they hold, shared by files and parts; first come, first served. */
export class Slots {
  #requests: number;
  #bytes: number;
  readonly #allBytes: number;
  readonly #waiting: Waiting[] = [];

  constructor(requests: number, bytes: number) {
    this.#requests = requests;
    this.#bytes = bytes;
    this.#allBytes = bytes;
  }

  /** Waits for a place; it is given back when the answer is disposed. */
  async take(bytes: number): Promise<Disposable> {
    const wanted = Math.min(bytes, this.#allBytes);
    await new Promise<void>((go) => {
      this.#waiting.push({ bytes: wanted, go });
      this.#admit();
    });
    let held = true;
    return {
      [Symbol.dispose]: () => {
        if (!held) return;
        held = false;
        this.#requests += 1;
        this.#bytes += wanted;
        this.#admit();
      },
    };
  }

  #admit(): void {
    for (let next = this.#waiting[0]; next; next = this.#waiting[0]) {
      if (this.#requests === 0 || this.#bytes < next.bytes) return;
      this.#waiting.shift();
      this.#requests -= 1;
      this.#bytes -= next.bytes;
      next.go();
    }
  }
}
