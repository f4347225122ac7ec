import { describe, expect, it } from 'vitest';
import { optionalPackage } from '../src/import-package.js';

describe('a package that only some need', () => {
  it('is given where it is installed', async () => {
    const module = await optionalPackage('@ritmo/api-server', 'This command');
    expect(module['startApiServer']).toBeTypeOf('function');
  });

  it('is named, with what installs it, where it is not', async () => {
    await expect(optionalPackage('@ritmo/api-server', 'This command', async () => undefined)).rejects.toMatchObject({
      code: 'RITMO_PLUGIN_INVALID',
      message: 'This command needs the package @ritmo/api-server, which is not installed.',
      hint: 'Install it beside ritmo-agent (npm install @ritmo/api-server).',
    });
  });
});
