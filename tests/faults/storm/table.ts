import type { Round } from './storm.js';

/** The rounds of a storm by whom was killed, as a Markdown table; below it whatever was not kept. */
export function stormTable(rounds: readonly Round[]): string {
  const lines = ['| killed | rounds | jobs | ended as | promises broken | left over |', '|---|---|---|---|---|---|'];
  for (const victim of [...new Set(rounds.map((round) => round.victim))].toSorted()) {
    const those = rounds.filter((round) => round.victim === victim);
    const states = those.flatMap((round) => round.states);
    const counts = [...new Set(states)]
      .toSorted((a, b) => a.localeCompare(b))
      .map((state) => `${state} ${states.filter((each) => each === state).length}`);
    const sum = (of: (round: Round) => readonly string[]) =>
      those.reduce((total, round) => total + of(round).length, 0);
    lines.push(
      `| ${victim} | ${those.length} | ${states.length} | ${counts.join(', ')} | ${sum(({ broken }) => broken)} | ${sum(({ left }) => left)} |`,
    );
  }
  const bad = rounds.filter(({ broken, left }) => broken.length + left.length > 0);
  for (const { round, victim, killedAfterMs, broken, left } of bad)
    lines.push(
      '',
      `round ${round}, ${victim} killed after ${killedAfterMs} ms:`,
      ...[...broken, ...left].map((what) => `- ${what}`),
    );
  return `${lines.join('\n')}\n`;
}
