import { showSize } from '@ritmo/protocol';

const width = 24;

/** Of all artifacts of a build: what was found, and how far it is. */
export interface Amounts {
  readonly foundFiles: number;
  readonly foundBytes: number;
  readonly storedFiles: number;
  readonly sentBytes: number;
}

/** Says how far the storing of artifacts is, and how fast it was from the first call on. */
export function storingBar(now: () => number = () => performance.now()): (amounts: Amounts) => string {
  let begin: number | undefined;
  return ({ foundFiles, foundBytes, storedFiles, sentBytes }) => {
    begin ??= now();
    const took = now() - begin;
    // A file that is sent again counts again.
    const share = foundBytes === 0 ? 0 : Math.min(1, sentBytes / foundBytes);
    const full = Math.floor(share * width);
    const bar = `${'█'.repeat(full)}${'░'.repeat(width - full)}`;
    const rate = took < 500 ? '' : `, ${showSize(Math.round((sentBytes * 1000) / took))}/s`;
    return `Storing ${bar} ${Math.floor(share * 100)} %  ${showSize(sentBytes)} of ${showSize(foundBytes)}, ${storedFiles} of ${foundFiles} files${rate}`;
  };
}
