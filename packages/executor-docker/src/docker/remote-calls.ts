import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import type { DockerCall, DockerClient, Listed } from './client.js';
import { DockerError } from './error.js';

/** A process of a container as the daemon's host sees it. */
export interface SeenProcess {
  readonly pid: number;
  readonly parent: number;
  /** As ps writes it: `Z` for one that is dead. */
  readonly state: string;
}

export interface ContainerStats {
  readonly cpuMs: number;
  /** Undefined where the daemon's control groups do not keep it. */
  readonly memoryPeakBytes: number | undefined;
}

const keepAliveMs = 30_000;

/** What runs a job through nothing but the daemon's API: attach, exec, archives, volumes. */
export class RemoteCalls {
  readonly #docker: DockerClient;

  constructor(docker: DockerClient) {
    this.#docker = docker;
  }

  /** Connects to input and output of the main process; made before the start, so that nothing of it is missed. */
  async attach(id: string, signal: AbortSignal): Promise<Socket> {
    return await this.#connection(`/containers/${id}/attach`, signal, {
      query: { stream: '1', stdin: '1', stdout: '1' },
    });
  }

  /** Starts a command beside the main process, connected with its input and output. */
  async exec(id: string, argv: readonly string[], signal: AbortSignal): Promise<Socket> {
    const body = { Cmd: argv, AttachStdin: true, AttachStdout: true, AttachStderr: true, Tty: false };
    const made = await this.#docker.dial({ method: 'POST', path: `/containers/${id}/exec`, body, signal });
    const start = `/exec/${(made as { readonly Id: string }).Id}/start`;
    return await this.#connection(start, signal, { body: { Detach: false, Tty: false } });
  }

  /** What runs in a container; undefined where the daemon cannot tell. */
  async processes(id: string, signal: AbortSignal): Promise<SeenProcess[] | undefined> {
    const path = `/containers/${id}/top`;
    const query = { ps_args: '-eo pid,ppid,stat' };
    try {
      const { Titles, Processes } = (await this.#docker.dial({ method: 'GET', path, query, signal })) as {
        readonly Titles: readonly string[];
        readonly Processes: ReadonlyArray<readonly string[]> | null;
      };
      const [pid, parent, state] = ['PID', 'PPID', 'STAT'].map((title) => Titles.indexOf(title));
      if (pid === undefined || parent === undefined || state === undefined || Math.min(pid, parent, state) < 0) {
        return undefined;
      }
      return (Processes ?? []).map((words) => ({
        pid: Number(words[pid]),
        parent: Number(words[parent]),
        state: words[state] ?? '',
      }));
    } catch (error) {
      if (signal.aborted || !(error instanceof DockerError) || error.unreached) throw error;
      return undefined;
    }
  }

  async setPidsLimit(id: string, pids: number): Promise<void> {
    await this.#docker.dial({ method: 'POST', path: `/containers/${id}/update`, body: { PidsLimit: pids } });
  }

  async stats(id: string, signal: AbortSignal): Promise<ContainerStats> {
    const path = `/containers/${id}/stats`;
    const query = { stream: 'false', 'one-shot': 'true' };
    const { cpu_stats: cpu, memory_stats: memory } = (await this.#docker.dial({
      method: 'GET',
      path,
      query,
      signal,
    })) as {
      readonly cpu_stats?: { readonly cpu_usage?: { readonly total_usage?: number } };
      readonly memory_stats?: { readonly max_usage?: number };
    };
    return { cpuMs: Math.round((cpu?.cpu_usage?.total_usage ?? 0) / 1e6), memoryPeakBytes: memory?.max_usage };
  }

  /** Unpacks a tar archive into a folder of a container; not into a tmpfs, which the daemon does not see. */
  async putArchive(id: string, folder: string, archive: Readable | Buffer, signal: AbortSignal): Promise<void> {
    const path = `/containers/${id}/archive`;
    await this.#docker.dial({ method: 'PUT', path, query: { path: folder }, archive, signal });
  }

  /** A tar archive of a path in a container, whose entries begin with its last name; undefined where there is none. */
  async getArchive(id: string, path: string, signal: AbortSignal): Promise<Readable | undefined> {
    try {
      const call = { method: 'GET', path: `/containers/${id}/archive`, query: { path } } as const;
      return (await this.#docker.dial({ ...call, expect: 'stream', signal })) as Readable;
    } catch (error) {
      if (error instanceof DockerError && error.status === 404) return undefined;
      throw error;
    }
  }

  async createVolume(name: string, labels: Readonly<Record<string, string>>): Promise<void> {
    await this.#docker.dial({ method: 'POST', path: '/volumes/create', body: { Name: name, Labels: labels } });
  }

  /** One that is gone is no error. */
  async removeVolume(name: string): Promise<void> {
    try {
      await this.#docker.dial({ method: 'DELETE', path: `/volumes/${name}`, query: { force: 'true' } });
    } catch (error) {
      if (!(error instanceof DockerError && error.status === 404)) throw error;
    }
  }

  /** `id` is the name. */
  async listVolumes(label: string): Promise<Listed[]> {
    const query = { filters: JSON.stringify({ label: [label] }) };
    const { Volumes } = (await this.#docker.dial({ method: 'GET', path: '/volumes', query })) as {
      readonly Volumes: ReadonlyArray<{ Name: string; Labels: Record<string, string> | null }> | null;
    };
    return (Volumes ?? []).map(({ Name, Labels }) => ({ id: Name, labels: Labels ?? {} }));
  }

  async #connection(path: string, signal: AbortSignal, more: Pick<DockerCall, 'query' | 'body'>): Promise<Socket> {
    const socket = (await this.#docker.dial({ method: 'POST', path, ...more, expect: 'connection', signal })) as Socket;
    // What is wrong with it shows in what does not arrive.
    socket.on('error', () => undefined);
    // A daemon that vanished without a word is noticed.
    socket.setKeepAlive(true, keepAliveMs);
    return socket;
  }
}
