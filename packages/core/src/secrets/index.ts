export { commandSecrets } from './command.js';
export type { SecretProvider, SecretRequest, SecretSource } from './provider.js';
export { environmentSecrets, folderSecrets, staticSecrets } from './providers.js';
