import { type Code, isCode } from '@ritmo/protocol/codes';
import { RitmoError } from '@ritmo/agent-core/executor';
import { TerminalFilter } from '@ritmo/protocol';
import type { Output } from './io.js';
import { wrapped } from './render/wrap.js';

/** Any error as one of ours; those of other packages keep their code. */
export function asRitmoError(error: unknown): RitmoError {
  if (!(error instanceof RitmoError) && error instanceof Error && 'code' in error && isCode(String(error.code))) {
    const hint = 'hint' in error && typeof error.hint === 'string' ? { hint: error.hint } : {};
    return new RitmoError(String(error.code) as Code, error.message, { cause: error, ...hint });
  }
  return RitmoError.from(error);
}

/** An error as a person sees it: the sentence with its code, and beneath what can be done. Never a stack trace. */
export function showError(error: unknown, err: Output): void {
  const { message, code, hint } = asRitmoError(error);
  const plain = new TerminalFilter({ colours: false, erase: false });
  const { red, dim } = err.style;
  const [first = '', ...rest] = plain.push(message).split('\n');
  // The code ends the sentence; of several lines, the first.
  err.write(wrapped(`${red('error:')} ${first} ${dim(`(${code})`)}\n`, err));
  for (const line of rest) err.write(`  ${line}\n`);
  if (hint !== '') err.write(wrapped(`${dim(`hint: ${plain.push(hint)}`)}\n`, err));
}
