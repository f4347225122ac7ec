import type { ArtifactFile, ArtifactPlan } from '@ritmo/protocol';
import { type Behaviour, type FakeServer, fakeServer, json } from '../transport/fake-server.js';

export interface ArtifactServer extends FakeServer {
  /** Files planned, by id. */
  readonly planned: Map<string, ArtifactFile>;
  /** Bodies by the path they were put to. */
  readonly bodies: Map<string, Buffer>;
  readonly completed: Map<string, { sha256: string; epoch: number; etags?: string[] }>;
  /** How the next PUTs are answered. */
  readonly puts: Behaviour[];
  plan: (file: ArtifactFile) => ArtifactPlan;
}

/** Takes artifacts as the reference server does. */
export async function artifactServer(): Promise<ArtifactServer> {
  const base = await fakeServer();
  const server: ArtifactServer = Object.assign(base, {
    planned: new Map<string, ArtifactFile>(),
    bodies: new Map<string, Buffer>(),
    completed: new Map<string, { sha256: string; epoch: number; etags?: string[] }>(),
    puts: [] as Behaviour[],
    plan: ({ artifactId, size, linkTarget }: ArtifactFile): ArtifactPlan =>
      size === 0 || linkTarget !== undefined
        ? { artifactId, stored: true }
        : {
            artifactId,
            upload: {
              url: `/v1/jobs/job1/artifacts/${artifactId}/content`,
              headers: { 'Content-Type': 'application/octet-stream', 'Ritmo-Epoch': '3' },
            },
          },
  });
  server.otherwise = (seen, response, socket) => {
    const body = () => JSON.parse(String(seen.body));
    if (seen.method === 'PUT') {
      const fault = server.puts.shift();
      if (fault !== undefined) return fault(seen, response, socket);
      server.bodies.set(seen.url, seen.body);
      return json(200, {}, { ETag: `"${server.bodies.size}"` })(seen, response, socket);
    }
    if (seen.url.endsWith('/complete')) {
      server.completed.set(seen.url.split('/').at(-2) ?? '', body());
      return json(200, {})(seen, response, socket);
    }
    const files = body() as ArtifactFile[];
    for (const file of files) server.planned.set(file.artifactId, file);
    return json(200, { files: files.map((file) => server.plan(file)) })(seen, response, socket);
  };
  return server;
}
