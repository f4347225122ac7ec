import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const source = join(import.meta.dirname, '..', '..', 'packages', 'core', 'src', 'agent', 'events.ts');
const entry = /(?:\/\*\* (?<about>.*?) \*\/\s*)?'(?<name>[a-z]+:[a-z]+)': \[\s*event: (?<type>.*?),?\s*\];/gs;

/** The reference page of the agent's events, as it lies in docs/reference/events.md. */
export function eventReference(): string {
  const body = /export interface AgentEvents \{(.*?)\n\}/s.exec(readFileSync(source, 'utf8'))?.[1] ?? '';
  const sections = [...body.matchAll(entry)].map(({ groups }) => {
    const { about, name, type } = groups ?? {};
    if (about === undefined) throw new Error(`${name} has no comment that says what it means`);
    return [`### ${name}`, '', about.replaceAll(/\s*\n\s*\* ?/g, ' '), '', ...fieldLines(type ?? ''), ''].join('\n');
  });
  return [head, ...sections].join('\n');
}

/** A line for each field of an object type; the name of a type that is described elsewhere. */
function fieldLines(type: string): string[] {
  const [first = '', ...others] = type.trim().split(/(?<=\}) & /);
  if (others.length > 0) return [first, ...others].flatMap(fieldLines);
  const inner = /^\{(.*)\}$/s.exec(type.trim())?.[1];
  if (inner === undefined) return [`- \`${type.trim()}\``];
  const fields = inner
    .replaceAll(/\s+/g, ' ')
    .split(';')
    .map((part) => part.trim());
  return fields
    .filter((field) => field !== '')
    .map((field) => {
      const [, comment, name, of] = /^(?:\/\*\* (.*?) \*\/ )?readonly (\w+\??): (.*)$/.exec(field) ?? [];
      return `- \`${name}\`: \`${of}\`${comment === undefined ? '' : `. ${comment}`}`;
    });
}

const head = `# Events

<!-- Generated from packages/core/src/agent/events.ts by \`pnpm docs:generate\`; a test fails when it is stale. -->

What an [embedded agent](../guides/embed.md) tells: \`agent.on(name, listener)\`. Each listener is given one object, to which
fields may be added later. A listener that throws is logged and disturbs nobody; events are told in the order in which things
happen, before the agent goes on.
`;
