import { codes } from '@ritmo/protocol/codes';

/** The reference page of all codes, as it lies in docs/reference/errors.md. */
export function errorReference(): string {
  const sections = Object.entries(codes).map(([code, { meaning, hint, retryable }]) =>
    [`### ${code}`, '', meaning, '', `- What to do: ${hint}`, `- Retryable: ${retryable ? 'yes' : 'no'}`, ''].join(
      '\n',
    ),
  );
  return [head, ...sections].join('\n');
}

const head = `# Errors

<!-- Generated from packages/protocol/src/codes.ts by \`pnpm docs:generate\`; a test fails when it is stale. -->

Every failure that Ritmo reports has a code, one sentence about this case, and a hint. The code is the same in the
library, in the API server, on the wire and on the terminal. Match on the code; the sentence may change.

Retryable is the default of the code: the same request may succeed later, on this worker or on another. One failure can
say otherwise, and then its own word counts.

In code, every error of a Ritmo package is a \`RitmoError\` with \`code\`, \`message\`, \`hint\`, \`retryable\` and, where the
server asks for a pause, \`retryAfterMs\`. On the wire it is \`{"error": {"code", "message", "retryable", "retryAfterMs"?}}\`.

## Codes
`;
