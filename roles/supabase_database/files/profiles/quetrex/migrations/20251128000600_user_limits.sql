-- What one account can store is bounded: a database that is full is read-only for everybody. The address of a picture has no scheme
-- (a path, as Supabase's storage has them) or is http(s), because pages show it to others.
--
-- Realtime (20251128000400) checks the policies for INSERT and UPDATE. A DELETE is sent to everybody who listens to the table, with
-- the row's primary key and nothing else: the key of a row must not be a secret.

-- Rows over a limit are kept aside in full before they are cut, so that nothing is lost and every later change of them is accepted.
DO $$
BEGIN
  IF EXISTS (SELECT FROM public.profiles WHERE char_length(full_name) > 200 OR avatar_url !~* '^(https?://.|[^:/?#]*([/?#]|$))' OR char_length(avatar_url) > 2048) THEN
    CREATE TABLE private.profiles_over_limit AS
      SELECT * FROM public.profiles WHERE char_length(full_name) > 200 OR avatar_url !~* '^(https?://.|[^:/?#]*([/?#]|$))' OR char_length(avatar_url) > 2048;
    ALTER TABLE private.profiles_over_limit ENABLE ROW LEVEL SECURITY;
    UPDATE public.profiles SET full_name = left(full_name, 200) WHERE char_length(full_name) > 200;
    UPDATE public.profiles SET avatar_url = NULL WHERE avatar_url !~* '^(https?://.|[^:/?#]*([/?#]|$))' OR char_length(avatar_url) > 2048;
  END IF;
  IF EXISTS (SELECT FROM public.projects WHERE char_length(name) > 200 OR char_length(github_repo) > 200 OR char_length(github_owner) > 100) THEN
    CREATE TABLE private.projects_over_limit AS
      SELECT * FROM public.projects WHERE char_length(name) > 200 OR char_length(github_repo) > 200 OR char_length(github_owner) > 100;
    ALTER TABLE private.projects_over_limit ENABLE ROW LEVEL SECURITY;
    UPDATE public.projects
      SET name = left(name, 200), github_repo = left(github_repo, 200), github_owner = left(github_owner, 100)
      WHERE char_length(name) > 200 OR char_length(github_repo) > 200 OR char_length(github_owner) > 100;
  END IF;
END
$$;

ALTER TABLE public.profiles
  ADD CONSTRAINT profiles_full_name_length CHECK (char_length(full_name) <= 200),
  ADD CONSTRAINT profiles_avatar_url_web CHECK (avatar_url ~* '^(https?://.|[^:/?#]*([/?#]|$))' AND char_length(avatar_url) <= 2048);

ALTER TABLE public.projects
  ADD CONSTRAINT projects_name_length CHECK (char_length(name) <= 200),
  ADD CONSTRAINT projects_github_length CHECK (char_length(github_repo) <= 200 AND char_length(github_owner) <= 100);

-- What a provider says of somebody is cut to the limits: an error here would refuse the sign-up.
CREATE OR REPLACE FUNCTION private.create_profile() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = ''
AS $$
DECLARE
  avatar text := NEW.raw_user_meta_data ->> 'avatar_url';
BEGIN
  INSERT INTO public.profiles (id, email, full_name, avatar_url)
  VALUES (
    NEW.id, NEW.email, pg_catalog.left(NEW.raw_user_meta_data ->> 'full_name', 200),
    CASE WHEN avatar ~* '^(https?://.|[^:/?#]*([/?#]|$))' AND pg_catalog.char_length(avatar) <= 2048 THEN avatar END
  )
  ON CONFLICT (id) DO NOTHING;
  RETURN NEW;
END
$$;

-- Whoever signs in with a user's token has at most 1,000 projects. The service key is not limited.
CREATE FUNCTION private.limit_projects() RETURNS trigger
LANGUAGE plpgsql SET search_path = ''
AS $$
DECLARE
  owner uuid;
BEGIN
  IF current_user <> 'authenticated' THEN
    RETURN NULL;
  END IF;
  FOR owner IN SELECT DISTINCT user_id FROM added LOOP
    -- one writer per account at a time, or two statements side by side would each see room
    PERFORM pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('projects of ' || owner::text, 0));
    IF (SELECT count(*) FROM public.projects WHERE user_id = owner) > 1000 THEN
      RAISE EXCEPTION 'An account has at most 1000 projects.' USING ERRCODE = 'check_violation', CONSTRAINT = 'projects_per_user';
    END IF;
  END LOOP;
  RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION private.limit_projects() FROM PUBLIC;

CREATE TRIGGER projects_limit AFTER INSERT ON public.projects
  REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION private.limit_projects();
