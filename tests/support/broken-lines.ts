import type { LogRecord } from '@ritmo/protocol';

/** The most that a killed agent may lose of a stream: one read, and what the masks hold back. */
const mostLost = 64 * 1024 + 1024;

/** What is wrong with the output of a step that printed numbered lines while agents were killed. */
export interface BrokenLines {
  /** Notes that mark a place where an agent was started again. */
  readonly marks: number;
  /** Bytes that are missing, beside notes that say so. */
  readonly lost: number;
  /** Bytes that are missing where no note says so, too many of them, or bytes that nobody printed. */
  readonly problems: readonly string[];
}

/**
 * Compares the standard output of step `step` with lines 1 to the number that it printed to stderr at its end, as
 * `line` has them: bytes may be missing only at a note of a new agent, no more than one read of a stream at each, and
 * nothing may stand twice or be changed.
 */
export function brokenLines(
  records: readonly LogRecord[],
  step: number,
  line: (number: number) => string,
): BrokenLines {
  const said = records.flatMap((record) =>
    record.k === 'out' && record.s === step && record.fd === 2 ? [record.m] : [],
  );
  const count = Number(/^printed (\d+) lines$/m.exec(said.join(''))?.[1]);
  const all = Array.from({ length: count || 0 }, (_, index) => `${line(index + 1)}\n`).join('');
  const problems: string[] = [];
  if (!(count > 0)) problems.push(`the step did not say how many lines it printed: ${said.join('')}`);
  let at = 0;
  let marks = 0;
  let lost = 0;
  let mayJump = 0;
  for (const record of records) {
    if (record.k === 'note' && /^The agent (died|was replaced) here/.test(record.m)) {
      marks += 1;
      mayJump += 1;
    }
    if (record.k !== 'out' || record.s !== step || record.fd !== 1) continue;
    // What may be the rest of a secret whose beginning was lost is hidden.
    const text = mayJump > 0 ? record.m.replace(/^\*\*\*/, '') : record.m;
    if (mayJump > 0 && text !== '') {
      const found = all.indexOf(text, at);
      if (found < 0) problems.push(`after mark ${marks} stands what was not printed: ${shown(text)}`);
      else if (found - at > mayJump * mostLost) problems.push(`mark ${marks}: ${found - at} bytes are missing`);
      if (found >= 0) {
        lost += found - at;
        at = found;
      }
      mayJump = 0;
    }
    const expected = all.slice(at, at + text.length);
    if (expected !== text) {
      let same = 0;
      while (text[same] === expected[same]) same += 1;
      const [seen, wanted] = [text, expected].map((whole) => shown(whole.slice(same)));
      problems.push(`at byte ${at + same} stands ${seen} for ${wanted}`);
      return { marks, lost, problems };
    }
    at += text.length;
  }
  if (at < all.length && (mayJump === 0 || all.length - at > mayJump * mostLost)) {
    problems.push(`the last ${all.length - at} bytes are missing`);
  }
  return { marks, lost: lost + (all.length - at), problems };
}

const shown = (text: string) => JSON.stringify(text.slice(0, 80));
