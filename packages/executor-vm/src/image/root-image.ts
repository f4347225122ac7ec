/** A root filesystem that machines can begin from, and what its image says of it. */
export interface RootImage {
  /** The file; read only for machines. */
  readonly path: string;
  readonly format: 'raw' | 'qcow2';
  /** As the guest's kernel calls it; `auto` has it look. */
  readonly fileSystem: 'squashfs' | 'auto';
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
  readonly env: Readonly<Record<string, string>>;
  /** Called once a machine has shown that its shell runs here. */
  readonly verified: boolean;
  verify(): void;
}
