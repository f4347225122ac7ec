/** Schema versions in order; each entry lifts the database by one and is never changed once released. */
export const migrations: readonly string[] = [
  `
  CREATE TABLE jobs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    epoch INTEGER NOT NULL DEFAULT 0,
    counted INTEGER NOT NULL DEFAULT 0,
    spec TEXT NOT NULL,
    labels TEXT NOT NULL,
    cancel_reason TEXT,
    cancel_grace_ms INTEGER,
    worker_id TEXT,
    worker TEXT,
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    ended_at INTEGER,
    lost_at INTEGER,
    exit_code INTEGER,
    signal TEXT,
    failure TEXT,
    steps TEXT NOT NULL DEFAULT '[]',
    idempotency_key TEXT UNIQUE,
    idempotency_hash TEXT
  ) STRICT;
  CREATE INDEX jobs_by_state ON jobs (state, seq);
  CREATE INDEX jobs_by_worker ON jobs (worker_id, state) WHERE worker_id IS NOT NULL;

  CREATE TABLE attempts (
    job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    epoch INTEGER NOT NULL,
    worker_id TEXT NOT NULL,
    worker TEXT NOT NULL,
    state TEXT NOT NULL,
    request_id TEXT NOT NULL,
    reoffered INTEGER NOT NULL DEFAULT 0,
    offered_at INTEGER NOT NULL,
    ended_at INTEGER,
    log_sealed INTEGER NOT NULL DEFAULT 0,
    log_sha256 TEXT,
    log_restarted INTEGER NOT NULL DEFAULT 0,
    finish TEXT,
    PRIMARY KEY (job_id, epoch)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX attempts_by_request ON attempts (worker_id, request_id);

  CREATE TABLE workers (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    resume_key_hash TEXT NOT NULL,
    instance_id TEXT NOT NULL,
    token_used INTEGER NOT NULL DEFAULT 0,
    info TEXT NOT NULL,
    desired TEXT NOT NULL DEFAULT 'run',
    event_seq INTEGER NOT NULL DEFAULT 0,
    registered_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL
  ) STRICT;

  CREATE TABLE worker_events (
    worker_id TEXT NOT NULL REFERENCES workers (id) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    event TEXT NOT NULL,
    PRIMARY KEY (worker_id, seq)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE tokens (
    hash TEXT PRIMARY KEY,
    role TEXT NOT NULL,
    worker_id TEXT NOT NULL,
    instance_id TEXT NOT NULL,
    job_id TEXT REFERENCES jobs (id) ON DELETE CASCADE,
    epoch INTEGER
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX tokens_by_job ON tokens (job_id, epoch);
  CREATE INDEX tokens_by_worker ON tokens (worker_id);

  CREATE TABLE secrets (
    job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (job_id, name)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE artifacts (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    epoch INTEGER NOT NULL,
    artifact_id TEXT NOT NULL,
    name TEXT NOT NULL,
    path TEXT NOT NULL,
    size INTEGER NOT NULL,
    mode INTEGER NOT NULL,
    content_type TEXT NOT NULL,
    link_target TEXT,
    announced_sha256 TEXT,
    sha256 TEXT,
    state TEXT NOT NULL,
    expires_at INTEGER,
    UNIQUE (job_id, epoch, artifact_id)
  ) STRICT;
  CREATE INDEX artifacts_by_content ON artifacts (sha256) WHERE sha256 IS NOT NULL;
  CREATE INDEX artifacts_by_expiry ON artifacts (expires_at) WHERE expires_at IS NOT NULL;
  `,
  `
  ALTER TABLE artifacts ADD COLUMN place TEXT NOT NULL DEFAULT 'disk';
  ALTER TABLE artifacts ADD COLUMN upload_id TEXT;
  CREATE INDEX artifacts_unfinished ON artifacts (upload_id) WHERE upload_id IS NOT NULL AND state = 'planned';
  `,
  `
  ALTER TABLE artifacts ADD COLUMN upload_name TEXT;
  UPDATE artifacts SET upload_name = job_id || '.' || epoch || '.' || artifact_id WHERE state = 'uploaded';
  CREATE UNIQUE INDEX artifacts_by_upload ON artifacts (upload_name) WHERE upload_name IS NOT NULL;
  CREATE INDEX artifacts_listed ON artifacts (job_id, epoch, seq) WHERE state = 'stored';
  `,
  `
  ALTER TABLE jobs ADD COLUMN project TEXT NOT NULL DEFAULT 'default';
  CREATE INDEX artifacts_by_size ON artifacts (size) WHERE state = 'stored' AND place = 'disk' AND size > 0;
  `,
  `
  ALTER TABLE artifacts ADD COLUMN object_key TEXT;
  CREATE INDEX artifacts_by_object ON artifacts (object_key) WHERE object_key IS NOT NULL;
  CREATE INDEX artifacts_by_size_in_bucket ON artifacts (size) WHERE state = 'stored' AND place = 'bucket';
  `,
  `
  DROP INDEX artifacts_unfinished;
  CREATE INDEX artifacts_not_stored ON artifacts (job_id) WHERE state <> 'stored';
  `,
];
