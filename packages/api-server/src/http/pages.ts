import { ApiError } from '../errors.js';

const maxPage = 500;

/** What a list asks the database for: at most `limit` rows beyond `from`. */
export interface PageQuery {
  readonly from: number | undefined;
  readonly limit: number;
}

/** One page of rows, and the cursor of the next where more follow. */
export function pageOf<Row extends { readonly seq: number }>(
  asked: { readonly cursor?: string | undefined; readonly limit?: number | undefined },
  defaultPage: number,
  read: (query: PageQuery) => Row[],
): { readonly rows: Row[]; readonly cursor: { readonly cursor?: string } } {
  const limit = Math.min(asked.limit || defaultPage, maxPage);
  const from = asked.cursor === undefined ? undefined : seqOf(asked.cursor);
  const found = read({ from, limit: limit + 1 });
  const rows = found.slice(0, limit);
  const last = found.length > limit ? rows.at(-1) : undefined;
  return { rows, cursor: last ? { cursor: String(last.seq) } : {} };
}

function seqOf(cursor: string): number {
  if (!/^\d{1,15}$/.test(cursor))
    throw new ApiError('RITMO_INVALID_REQUEST', 'The cursor is not one that a list answered.');
  return Number(cursor);
}
