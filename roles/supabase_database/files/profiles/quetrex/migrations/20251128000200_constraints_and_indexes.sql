-- Rows that belong to somebody, go with their owner, and are found without reading the whole table.

-- Helpers that must not be callable through the API live in a schema that the API does not expose.
CREATE SCHEMA IF NOT EXISTS private;
REVOKE ALL ON SCHEMA private FROM PUBLIC;

-- A row without an owner is invisible to everybody; should there be any, they are moved aside rather than lost.
DO $$
BEGIN
  IF EXISTS (SELECT FROM public.projects WHERE user_id IS NULL) THEN
    CREATE TABLE private.unowned_projects AS SELECT * FROM public.projects WHERE user_id IS NULL;
    ALTER TABLE private.unowned_projects ENABLE ROW LEVEL SECURITY;
    DELETE FROM public.projects WHERE user_id IS NULL;
  END IF;
  IF EXISTS (SELECT FROM public.runner_configs WHERE user_id IS NULL) THEN
    CREATE TABLE private.unowned_runner_configs AS SELECT * FROM public.runner_configs WHERE user_id IS NULL;
    ALTER TABLE private.unowned_runner_configs ENABLE ROW LEVEL SECURITY;
    DELETE FROM public.runner_configs WHERE user_id IS NULL;
  END IF;
END
$$;

ALTER TABLE public.projects
  ALTER COLUMN user_id SET DEFAULT auth.uid(),
  ALTER COLUMN user_id SET NOT NULL;

ALTER TABLE public.runner_configs
  ALTER COLUMN user_id SET DEFAULT auth.uid(),
  ALTER COLUMN user_id SET NOT NULL;

-- Deleting an account deletes what it owned; before, it failed.
ALTER TABLE public.profiles
  DROP CONSTRAINT IF EXISTS profiles_id_fkey,
  ADD CONSTRAINT profiles_id_fkey FOREIGN KEY (id) REFERENCES auth.users (id) ON DELETE CASCADE;

-- Two accounts on one Stripe customer, or two configurations on one server, would pay and pull down each other.
ALTER TABLE public.profiles ADD CONSTRAINT profiles_stripe_customer_id_key UNIQUE (stripe_customer_id);
ALTER TABLE public.runner_configs ADD CONSTRAINT runner_configs_hetzner_server_id_key UNIQUE (hetzner_server_id);

CREATE INDEX IF NOT EXISTS projects_user_id_idx ON public.projects (user_id);
CREATE INDEX IF NOT EXISTS runner_configs_user_id_idx ON public.runner_configs (user_id);
