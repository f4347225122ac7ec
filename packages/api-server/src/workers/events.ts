import type { WorkerEvent } from '@ritmo/protocol';
import type { EventBody, WorkerStore } from '../store/workers.js';

export interface EventStream {
  send(event: WorkerEvent): void;
  end(): void;
}

/** Events on their way to workers: kept until the worker is gone, so that a broken stream goes on where it broke. */
export class WorkerEvents {
  readonly #store: WorkerStore;
  readonly #streams = new Map<string, EventStream>();

  constructor(store: WorkerStore) {
    this.#store = store;
  }

  get open(): number {
    return this.#streams.size;
  }

  publish(workerId: string, body: EventBody): void {
    const event = this.#store.addEvent(workerId, body);
    this.#streams.get(workerId)?.send(event);
  }

  /** What came after `seq` is sent at once, the rest as it happens. One stream a worker: an older one ends. */
  attach(workerId: string, after: number, stream: EventStream): void {
    this.#streams.get(workerId)?.end();
    this.#streams.set(workerId, stream);
    for (const event of this.#store.eventsAfter(workerId, after)) stream.send(event);
  }

  detach(workerId: string, stream: EventStream): void {
    if (this.#streams.get(workerId) === stream) this.#streams.delete(workerId);
  }

  end(workerId: string): void {
    this.#streams.get(workerId)?.end();
    this.#streams.delete(workerId);
  }

  close(): void {
    for (const workerId of [...this.#streams.keys()]) this.end(workerId);
  }
}
