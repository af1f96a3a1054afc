-- What serves, kept away from the server: one that was made anew, or whose volume was lost, starts with it.
-- Written by the release program with the owner's rights. The schema is not exposed by the API, and nobody else may enter it.
CREATE SCHEMA platform;
REVOKE ALL ON SCHEMA platform FROM PUBLIC;

CREATE TABLE platform.releases (
  platform TEXT NOT NULL,
  environment TEXT NOT NULL,
  record JSONB NOT NULL,
  updated_at TIMESTAMPTZ NOT NULL DEFAULT NOW(),
  PRIMARY KEY (platform, environment)
);
ALTER TABLE platform.releases ENABLE ROW LEVEL SECURITY;
REVOKE ALL ON platform.releases FROM PUBLIC;
