import { commands } from '../../packages/cli/src/commands/index.js';
import type { Option } from '../../packages/cli/src/options/kinds.js';
import { fileKeys, flagOf, type OptionKey, options, variableOf } from '../../packages/cli/src/options/table.js';

/** The reference page of all commands and settings, as it lies in docs/reference/command-line.md. */
export function commandLineReference(): string {
  const sections = commands.map(({ name, about, args, options: keys, examples }) =>
    [
      `### ${name}`,
      '',
      `\`ritmo-agent ${[name, ...args].join(' ')}\``,
      '',
      `${about}.`,
      '',
      ...(examples.length === 0 ? [] : ['```sh', ...examples.map(([line, what]) => `${line} # ${what}`), '```', '']),
      ...(keys.length === 0
        ? []
        : [`Settings: ${keys.map((key) => `[\`--${flagOf(key)}\`](#${key.toLowerCase()})`).join(', ')}.`, '']),
    ].join('\n'),
  );
  const settings = (Object.keys(options) as OptionKey[]).map(settingSection);
  return [head, ...sections, settingsHead, ...settings].join('\n');
}

function settingSection(key: OptionKey): string {
  const option: Option = options[key];
  const inFile = fileKeys.some((name) => name === key);
  const value = option.value === undefined ? '' : ` ${option.value}`;
  return [
    `### ${key}`,
    '',
    `${option.about.charAt(0).toUpperCase()}${option.about.slice(1)}.`,
    '',
    `- Flag: \`--${flagOf(key)}${value}\`${option.repeat ? ', may stand several times' : ''}`,
    `- Variable: \`${variableOf(key)}\``,
    ...(inFile ? [`- Key in the config file: \`${key}\``] : []),
    ...(option.defaultText === undefined ? [] : [`- Default: ${option.defaultText}`]),
    '',
  ].join('\n');
}

const head = `# Command line

<!-- Generated from packages/cli/src by \`pnpm docs:generate\`; a test fails when it is stale. -->

\`ritmo-agent [COMMAND] [FLAGS]\`. Without a command it is \`start\`, the worker. \`--help\` after a command lists its flags.

## Commands
`;

const settingsHead = `## Settings

Each setting is a flag, an environment variable and a key of the YAML file that \`--config\` names. A flag wins over its
variable, the variable over the file. A switch takes no value as a flag (\`--no-…\` turns it off) and \`true\` or \`false\` elsewhere.
A setting that may stand several times is a list, or a map, in the file; in its variable the entries stand between commas.
A variable that is no setting and looks like one is named on stderr.

A config file may have every key below, and each command takes those of its own settings. It is checked as a whole, each mistake with its line, before anything is done:

\`\`\`yaml
apiServer: ci.example.org
tokenFile: /etc/ritmo-agent/token
isolation: [docker, process] # the first is the default
labels: { zone: eu, class: large }
maxConcurrent: 4
executorOptions:
  docker: { defaultImage: "debian:12-slim", allowedImages: ["docker.io/library/**"] }
drainTimeout: 30m
healthAddr: "127.0.0.1:9090"
\`\`\`
`;
