import type { CompletedCommand, CompletedFlag, Values } from './model.js';

/** A script for zsh, to be loaded, or put into a folder of `$fpath` as `_ritmo-agent`. */
export function zshCompletion(commands: readonly [CompletedCommand, ...CompletedCommand[]]): string {
  const [first] = commands;
  const names = commands.map(({ name }) => name).join('|');
  const withoutCommand = [
    "'1: :_ritmo_agent_commands'",
    ...first.flags.map(flagSpec),
    "'--version[print the version]'",
  ];
  return `#compdef ritmo-agent
# zsh completion of ritmo-agent; load it after compinit with: source <(ritmo-agent completion zsh)
_ritmo_agent_commands() {
  local -a commands
  commands=(
${commands.map(({ name, about }) => `    ${quoted(`${name}:${about}`)}`).join('\n')}
    'help:display help for command'
  )
  _describe command commands
}
_ritmo_agent() {
  local command=\${words[2,CURRENT-1][(r)(${names})]}
  case $command in
${commands.map(commandCase).join('\n')}
    *) _arguments ${withoutCommand.join(' ')} ;;
  esac
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
  _ritmo_agent "$@"
else
  compdef _ritmo_agent ritmo-agent
fi
`;
}

function commandCase({ name, flags, args }: CompletedCommand): string {
  const words = args.map((values, index) => quoted(`${index + 2}: :${action(values)}`));
  return `    ${name}) _arguments ${["'1: :_ritmo_agent_commands'", ...words, ...flags.map(flagSpec)].join(' ')} ;;`;
}

function flagSpec({ flag, about, values, repeat }: CompletedFlag): string {
  const said = about.replaceAll(/[[\]\\:]/g, String.raw`\$&`);
  return quoted(`${repeat ? '*' : ''}${flag}[${said}]${values === undefined ? '' : `: :${action(values)}`}`);
}

function action(values: Values): string {
  switch (values.kind) {
    case 'words':
      return `(${values.words.map((word) => word.replaceAll(':', String.raw`\:`)).join(' ')})`;
    case 'files':
      return '_files';
    case 'folders':
      return '_files -/';
    case 'free':
      return '( )';
  }
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
