import { defineConfig } from 'tsup';

export default defineConfig({
  entry: ['src/codes.ts', 'src/index.ts', 'src/routes.ts'],
  format: 'esm',
  target: 'node20',
  sourcemap: true,
  clean: true,
  dts: false,
});
