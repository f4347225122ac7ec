const pieceBytes = 64 * 1024;
const mostPieces = 16;

interface Piece {
  /** Its place in the log. */
  readonly start: number;
  readonly bytes: Uint8Array;
  used: number;
}

/**
 * The newest bytes of a log, for those who follow right behind: nothing is read from the disk for them. Pieces are
 * copies, so that a slow reader holds one of them and not a whole append.
 */
export class RecentBytes {
  /** Without gaps, the oldest first. */
  readonly #pieces: Piece[] = [];

  /** Takes what was appended at `offset`, where the bytes before end. */
  keep(offset: number, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.byteLength; ) {
      const piece = this.#openPiece(offset + at);
      const part = bytes.subarray(at, at + pieceBytes - piece.used);
      piece.bytes.set(part, piece.used);
      piece.used += part.byteLength;
      at += part.byteLength;
    }
  }

  /** Bytes from `offset` on, or undefined where they are not kept. */
  from(offset: number): Uint8Array | undefined {
    const piece = this.#pieces.findLast(({ start }) => start <= offset);
    if (!piece || offset >= piece.start + piece.used) return undefined;
    return piece.bytes.subarray(offset - piece.start, piece.used);
  }

  clear(): void {
    this.#pieces.length = 0;
  }

  #openPiece(offset: number): Piece {
    const last = this.#pieces.at(-1);
    // What came while nobody followed is a gap: only what is whole may be kept.
    if (last && last.start + last.used !== offset) this.clear();
    else if (last && last.used < pieceBytes) return last;
    const piece = { start: offset, bytes: new Uint8Array(new ArrayBuffer(pieceBytes)), used: 0 };
    this.#pieces.push(piece);
    if (this.#pieces.length > mostPieces) this.#pieces.shift();
    return piece;
  }
}
