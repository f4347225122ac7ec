import type { StepExit, StepScope, ToolSpec, WorkspaceVolume } from '@ritmo/agent-core/executor';
import { inside } from './confine.js';
import type { Home } from './home.js';

/** The workspace while the agent fills it: checkout, caches. */
export class RootfsVolume implements WorkspaceVolume {
  readonly home: Home;
  readonly workdir = inside.workspace;

  constructor(home: Home) {
    this.home = home;
  }

  get hostPath(): string {
    return this.home.folder('workspace');
  }

  get uid(): number {
    return this.home.owner.uid;
  }

  get gid(): number {
    return this.home.owner.gid;
  }

  runTool(tool: ToolSpec, scope: StepScope): Promise<StepExit> {
    return this.home.runTool(tool, scope);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.home.remove();
  }
}
