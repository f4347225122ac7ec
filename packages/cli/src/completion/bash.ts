import type { CompletedCommand, CompletedFlag, Values } from './model.js';

/** A script for bash 3.2 or newer; it starts no program and evaluates nothing that was typed. */
export function bashCompletion([first, ...rest]: readonly [CompletedCommand, ...CompletedCommand[]]): string {
  const names = [first, ...rest].map(({ name }) => name);
  const flagsWithValue = new Set(
    [first, ...rest].flatMap(({ flags }) => flags.flatMap(({ flag, values }) => (values === undefined ? [] : [flag]))),
  );
  return `# bash completion of ritmo-agent; load it with: source <(ritmo-agent completion bash)
_ritmo_agent() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD - 1]}
  local command= position=0 index word
  for ((index = 1; index < COMP_CWORD; index++)); do
    case \${COMP_WORDS[index - 1]} in ${[...flagsWithValue].join('|')}) continue ;; esac
    word=\${COMP_WORDS[index]}
    if [[ -z $command ]]; then
      case $word in ${names.join('|')}) command=$word ;; esac
    else
      case $word in -*) ;; *) ((position++)) ;; esac
    fi
  done
  COMPREPLY=()
  case $previous in
${valueCases([first, ...rest])}
  esac
  case $current in
    -*)
      case $command in
${[first, ...rest].map(flagCase).join('\n')}
        *) _ritmo_agent_words '${[...first.flags.map(({ flag }) => flag), '--version'].join(' ')}' ;;
      esac
      return ;;
  esac
  case $command:$position in
    :*) _ritmo_agent_words '${[...names, 'help'].join(' ')}' ;;
${[first, ...rest].flatMap(({ name, args }) => args.map((values, index) => `    ${name}:${index}) ${complete(values)} ;;`)).join('\n')}
  esac
}
_ritmo_agent_words() {
  local IFS=$' \\t\\n'
  COMPREPLY=($(compgen -W "$1" -- "$current"))
}
_ritmo_agent_paths() {
  local IFS=$'\\n'
  COMPREPLY=($(compgen "$1" -- "$current"))
  compopt -o filenames 2>/dev/null
}
complete -F _ritmo_agent ritmo-agent
`;
}

/** Flags with a value, all of one kind in one case. */
function valueCases(commands: readonly CompletedCommand[]): string {
  const byCode = new Map<string, Set<string>>();
  for (const { flag, values } of commands.flatMap(({ flags }) => flags)) {
    if (values === undefined) continue;
    const flags = byCode.get(complete(values)) ?? new Set();
    byCode.set(complete(values), flags.add(flag));
  }
  return [...byCode].map(([code, flags]) => `    ${[...flags].join('|')}) ${code}; return ;;`).join('\n');
}

function flagCase({ name, flags }: { readonly name: string; readonly flags: readonly CompletedFlag[] }): string {
  return `        ${name}) _ritmo_agent_words '${flags.map(({ flag }) => flag).join(' ')}' ;;`;
}

function complete(values: Values): string {
  switch (values.kind) {
    case 'words':
      return `_ritmo_agent_words '${values.words.join(' ')}'`;
    case 'files':
      return '_ritmo_agent_paths -f';
    case 'folders':
      return '_ritmo_agent_paths -d';
    case 'free':
      return ':';
  }
}
