/**
 * What a request carries, with its sha256 in hex: the signature covers it, so that every server checks it. What does not
 * fit into memory is read as it is sent, anew for each try.
 */
export type HashedBody = {
  readonly size: number;
  readonly sha256: string;
} & (
  | { readonly bytes: Uint8Array; readonly read?: undefined }
  | { readonly bytes?: undefined; readonly read: () => AsyncIterable<Uint8Array> }
);

/** Bytes in memory with their hash. */
export function hashedBytes(bytes: Uint8Array, sha256: string): HashedBody {
  return { bytes, size: bytes.length, sha256 };
}
