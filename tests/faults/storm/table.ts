import type { Round } from './storm.js';

/** The rounds of a storm by what went wrong, as a Markdown table; below it whatever was not kept. */
export function stormTable(rounds: readonly Round[]): string {
  const lines = [
    '| isolation | fault | rounds | jobs | ended as | promises broken | left over |',
    '|---|---|---|---|---|---|---|',
  ];
  const key = ({ isolation, plan }: Round) => `| ${isolation} | ${plan.fault} |`;
  for (const row of [...new Set(rounds.map(key))].toSorted()) {
    const those = rounds.filter((round) => key(round) === row);
    const states = those.flatMap((round) => Object.values(round.states));
    const counts = [...new Set(states)]
      .toSorted((a, b) => a.localeCompare(b))
      .map((state) => `${state} ${states.filter((each) => each === state).length}`);
    const sum = (of: (round: Round) => readonly string[]) =>
      those.reduce((total, round) => total + of(round).length, 0);
    lines.push(
      `${row} ${those.length} | ${states.length} | ${counts.join(', ')} | ${sum(({ broken }) => broken)} | ${sum(({ left }) => left)} |`,
    );
  }
  for (const { plan, broken, left } of rounds.filter((round) => isBad(round)))
    lines.push(
      '',
      `round ${plan.round}, ${plan.fault} after ${plan.afterMs} ms:`,
      ...[...broken, ...left].map((what) => `- ${what}`),
    );
  return `${lines.join('\n')}\n`;
}

/** One line of a round, as it ends. */
export function roundLine(round: Round): string {
  const { plan, states, ms } = round;
  const said = isBad(round) ? ['WRONG', ...round.broken, ...round.left].join('\n     - ') : 'good';
  const ends = Object.entries(states).map(([role, state]) => `${role} ${state}`);
  const when = `after ${String(plan.afterMs).padStart(4)} ms for ${String(plan.forMs).padStart(5)} ms`;
  return `${String(plan.round).padStart(4)} ${plan.fault.padEnd(13)} ${when}  ${ends.join(', ').padEnd(76)} ${ms} ms  ${said}\n`;
}

export const isBad = ({ broken, left }: Round) => broken.length + left.length > 0;
