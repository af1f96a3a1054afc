-- Who may do what, from nothing upwards. Row level security alone let a signed-in user give herself any subscription, take
-- another's Stripe customer, invent runner servers, and empty whole tables: TRUNCATE is not a row operation.
-- On projects with the new default privileges (since 2026-05-30) it was the other way round: nobody could read anything.

-- New objects of this schema belong to nobody until a migration says so.
ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE ALL ON TABLES FROM PUBLIC, anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE ALL ON SEQUENCES FROM PUBLIC, anon, authenticated, service_role;
ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE ALL ON FUNCTIONS FROM PUBLIC, anon, authenticated, service_role;
-- EXECUTE for everybody is built in and can only be taken away globally, not per schema.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

REVOKE ALL ON public.profiles, public.projects, public.runner_configs FROM PUBLIC, anon, authenticated, service_role;

-- Users change how they are called and look. E-mail comes from Auth, the subscription from Stripe's webhook (service_role).
GRANT SELECT, UPDATE (full_name, avatar_url) ON public.profiles TO authenticated;

-- Users keep projects; whether a runner is connected is for the runner to say.
GRANT SELECT, DELETE, INSERT (user_id, name, github_repo, github_owner), UPDATE (name, github_repo, github_owner)
  ON public.projects TO authenticated;

-- Servers are provisioned by the platform, never by the browser.
GRANT SELECT ON public.runner_configs TO authenticated;

GRANT SELECT, INSERT, UPDATE, DELETE ON public.profiles, public.projects, public.runner_configs TO service_role;

-- Policies: only for signed-in users, auth.uid() evaluated once per query instead of once per row, writes checked.
DROP POLICY IF EXISTS "Users can view own profile" ON public.profiles;
CREATE POLICY "Users can view own profile" ON public.profiles
  FOR SELECT TO authenticated USING ((SELECT auth.uid()) = id);

DROP POLICY IF EXISTS "Users can update own profile" ON public.profiles;
CREATE POLICY "Users can update own profile" ON public.profiles
  FOR UPDATE TO authenticated USING ((SELECT auth.uid()) = id) WITH CHECK ((SELECT auth.uid()) = id);

DROP POLICY IF EXISTS "Users can view own projects" ON public.projects;
DROP POLICY IF EXISTS "Users can manage own projects" ON public.projects;
CREATE POLICY "Users can manage own projects" ON public.projects
  FOR ALL TO authenticated USING ((SELECT auth.uid()) = user_id) WITH CHECK ((SELECT auth.uid()) = user_id);

DROP POLICY IF EXISTS "Users can view own runner config" ON public.runner_configs;
CREATE POLICY "Users can view own runner config" ON public.runner_configs
  FOR SELECT TO authenticated USING ((SELECT auth.uid()) = user_id);
