-- The dashboard follows projects and runners live. Realtime sends an INSERT or UPDATE only to those whose policies show them the row;
-- a DELETE goes to everybody who listens, with the primary key alone.
DO $$
DECLARE
  wanted text;
BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_publication WHERE pubname = 'supabase_realtime') THEN
    CREATE PUBLICATION supabase_realtime;
  END IF;
  FOREACH wanted IN ARRAY ARRAY['projects', 'runner_configs'] LOOP
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_publication_tables WHERE pubname = 'supabase_realtime' AND schemaname = 'public' AND tablename = wanted) THEN
      EXECUTE format('ALTER PUBLICATION supabase_realtime ADD TABLE public.%I', wanted);
    END IF;
  END LOOP;
END
$$;
