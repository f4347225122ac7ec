import type { CompletedCommand, CompletedFlag, Values } from './model.js';

/** A script for fish 3. */
export function fishCompletion(commands: readonly [CompletedCommand, ...CompletedCommand[]]): string {
  const [first, ...rest] = commands;
  const names = commands.map(({ name }) => name).join(' ');
  const none = quoted(`not __fish_seen_subcommand_from ${names}`);
  const noneButFirst = quoted(`not __fish_seen_subcommand_from ${rest.map(({ name }) => name).join(' ')}`);
  return `# fish completion of ritmo-agent; load it with: ritmo-agent completion fish | source
complete -c ritmo-agent -f
${commands.map(({ name, about }) => `complete -c ritmo-agent -n ${none} -a ${name} -d ${quoted(about)}`).join('\n')}
complete -c ritmo-agent -n ${none} -a help -d 'display help for command'
complete -c ritmo-agent -n ${none} -l version -d 'print the version'
${first.flags.map((flag) => flagLine(flag, noneButFirst)).join('\n')}
${rest.map(commandLines).join('\n')}
`;
}

function commandLines({ name, flags, args }: CompletedCommand): string {
  const seen = quoted(`__fish_seen_subcommand_from ${name}`);
  const suggested = [...new Set(args.flatMap(argument))];
  return [
    ...suggested.map((what) => `complete -c ritmo-agent -n ${seen} ${what}`),
    ...flags.map((flag) => flagLine(flag, seen)),
  ].join('\n');
}

function flagLine({ flag, about, values }: CompletedFlag, when: string): string {
  const after = values === undefined ? '' : ` ${value(values)}`;
  return `complete -c ritmo-agent -n ${when} -l ${flag.slice(2)} -d ${quoted(about)}${after}`;
}

function argument(values: Values): readonly string[] {
  if (values.kind === 'files') return ['-F'];
  return values.kind === 'words' ? [`-a ${quoted(values.words.join(' '))}`] : [];
}

function value(values: Values): string {
  switch (values.kind) {
    case 'words':
      return `-x -a ${quoted(values.words.join(' '))}`;
    case 'files':
      return '-r -F';
    case 'folders':
      return "-x -a '(__fish_complete_directories)'";
    case 'free':
      return '-x';
  }
}

function quoted(text: string): string {
  return `'${text.replaceAll(/[\\']/g, String.raw`\$&`)}'`;
}
