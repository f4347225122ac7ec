import { rmSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { Line } from './records.js';
import { bytesLine } from './records.js';

/** Room that is kept on the disk for how a log ends, and so much is kept of it, in bytes. */
const roomBytes = 32 * 1024;

const roomPath = (path: string): string => `${path}.room`;

/**
 * What a log has to say after the disk has refused it: how steps ended, and notes. A file beside the log holds the room
 * for it, and gives way at the end.
 */
export class LastWords {
  readonly #path: string;
  readonly #lines: Buffer[] = [];
  #bytes = 0;

  /** Takes the room where the disk still has it. */
  constructor(path: string) {
    this.#path = path;
    try {
      writeFileSync(roomPath(path), Buffer.alloc(roomBytes), { mode: 0o600 });
    } catch {
      // The log says so itself when it cannot be written.
    }
  }

  /** Keeps a line for the end; what does not fit is left out. */
  keep(bytes: Uint8Array): void {
    if (this.#bytes + bytes.length > roomBytes / 2) return;
    this.#lines.push(Buffer.from(bytes));
    this.#bytes += bytes.length;
  }

  /** Frees the room and answers the lines that belong at the end. */
  take(): readonly Line[] {
    rmSync(roomPath(this.#path), { force: true });
    return this.#lines.splice(0).map((bytes) => bytesLine(bytes));
  }
}

/** Removes the room beside the log at `path`. */
export async function removeRoom(path: string): Promise<void> {
  await rm(roomPath(path), { force: true });
}
