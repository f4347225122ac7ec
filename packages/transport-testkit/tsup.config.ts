import { defineConfig } from 'tsup';

export default defineConfig({
  entry: ['src/bin.ts', 'src/index.ts', 'src/vitest.ts'],
  format: 'esm',
  target: 'node20',
  sourcemap: true,
  clean: true,
  dts: false,
});
