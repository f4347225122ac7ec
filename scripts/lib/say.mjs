/** One line of ours on stderr, told apart from the tools' own output. */
export function say(text) {
  process.stderr.write(`ritmo: ${text}\n`);
}

/** What cannot go on; the message is for a person and needs no stack. */
export class SetupError extends Error {}

/** Runs a script's main function; an expected failure ends in one line and exit code 1. */
export async function main(work) {
  try {
    process.exitCode = await work();
  } catch (error) {
    say(error instanceof SetupError ? error.message : (error?.stack ?? String(error)));
    process.exitCode = 1;
  }
}
