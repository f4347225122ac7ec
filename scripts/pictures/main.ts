import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TerminalWindow, type Window } from './screen.js';
import { svgOf } from './svg.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const wide: Window = { columns: 92, rows: 40 };

interface Scene {
  /** Of the file in docs/pictures. */
  readonly name: string;
  readonly title: string;
  readonly window: Window;
  /** As it is typed. */
  readonly line: string;
  readonly env?: Readonly<Record<string, string>>;
  /** The picture is taken once the screen shows this; else when the program has ended. */
  readonly when?: RegExp;
}

const scenes: readonly Scene[] = [
  {
    name: 'exec-running',
    title: 'A job while it runs: the last line says which step runs and for how long',
    window: wide,
    line: 'ritmo-agent exec build.yaml --isolation=process',
    when: /Test +1\.\d s/,
  },
  {
    name: 'exec-done',
    title: 'A job that succeeded, with its steps and their times',
    window: wide,
    line: 'ritmo-agent exec build.yaml --isolation=process',
  },
  {
    name: 'exec-failed',
    title: 'A job whose step failed',
    window: wide,
    line: 'ritmo-agent exec broken.yaml --isolation=process',
  },
  {
    name: 'exec-narrow',
    title: 'The same in a window of 44 columns',
    window: { columns: 44, rows: 40 },
    line: 'ritmo-agent exec build.yaml --isolation=process',
    when: /Test +1\.\d s/,
  },
  {
    name: 'exec-no-color',
    title: 'With NO_COLOR set',
    window: wide,
    line: 'ritmo-agent exec broken.yaml --isolation=process',
    env: { NO_COLOR: '1' },
  },
  {
    name: 'doctor',
    title: 'What this machine can isolate',
    window: { columns: 110, rows: 60 },
    line: 'ritmo-agent doctor',
  },
  {
    name: 'mistyped',
    title: 'A mistyped flag',
    window: wide,
    line: 'ritmo-agent exec build.yaml --isolaton=process',
  },
];

const files: Readonly<Record<string, string>> = {
  'build.yaml': `name: build
steps:
  - name: Install
    run: echo "added 214 packages in 1 s"
  - name: Test
    run: |
      for n in 1 2 3; do echo "suite $n of 3, passed"; done
      sleep 4
  - name: Pack
    run: mkdir dist && echo app > dist/app.js
artifacts:
  - name: dist
    paths: [dist/**]
`,
  'broken.yaml': `name: broken
steps:
  - name: Install
    run: echo "added 214 packages in 1 s"
  - name: Test
    run: |
      printf '\\033[31mnot ok\\033[0m 3 - adds two numbers\\n'
      exit 1
  - name: Pack
    run: echo never
`,
};

/** `npm run docs:pictures`: what a terminal shows, taken in tmux and kept in docs/pictures. Needs tmux and a build. */
const folder = await mkdtemp(join(tmpdir(), 'ritmo-pictures-'));
try {
  // Builds run as users of their own, who walk through to their workspace.
  await chmod(folder, 0o711);
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  const bin = join(folder, 'bin');
  await mkdir(bin);
  const program = join(root, 'packages', 'cli', 'dist', 'bin.js');
  await writeFile(join(bin, 'ritmo-agent'), `#!/bin/sh\nexec "${process.execPath}" "${program}" "$@"\n`, {
    mode: 0o755,
  });
  const only = process.argv.slice(2);
  for (const scene of scenes) if (only.length === 0 || only.includes(scene.name)) await take(scene, bin);
} finally {
  await rm(folder, { recursive: true, force: true });
}

async function take({ name, title, window, line, env = {}, when }: Scene, bin: string): Promise<void> {
  const settings = {
    PATH: `${bin}:${process.env['PATH'] ?? ''}`,
    HOME: folder,
    RITMO_STATE_DIR: join(folder, 'state'),
    RITMO_NAME: 'desk',
    ...env,
  };
  const typed = `printf '\\033[1m$ %s\\033[0m\\n' '${line}'; ${line}`;
  await using screen = await TerminalWindow.open(join(folder, `${name}.tmux`), window, folder, typed, settings);
  await (when === undefined ? screen.ended() : screen.waitFor(when));
  const path = join(root, 'docs', 'pictures', `${name}.svg`);
  await writeFile(path, svgOf(await screen.rows(), window.columns, title));
  process.stdout.write(`${path}\n`);
}
