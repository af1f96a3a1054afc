import Redis from 'ioredis';
import pg from 'pg';

export const dynamic = 'force-dynamic';

const LIMIT_MS = 2000;
let redis;
let pool;

function redisClient() {
  redis ??= new Redis(process.env.REDIS_URL, { maxRetriesPerRequest: 1, connectTimeout: LIMIT_MS });
  redis.removeAllListeners('error').on('error', () => {});
  return redis;
}

function databasePool() {
  pool ??= new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 2, connectionTimeoutMillis: LIMIT_MS });
  pool.removeAllListeners('error').on('error', () => {});
  return pool;
}

async function outcome(configured, probe) {
  if (!configured) return 'not configured';
  const late = new Promise((_, reject) => setTimeout(() => reject(new Error('timed out')), LIMIT_MS).unref());
  try {
    await Promise.race([probe(), late]);
    return 'ok';
  } catch (error) {
    return `failed: ${error.code || error.message}`;
  }
}

export async function GET(request) {
  const [cache, database] = await Promise.all([
    outcome(process.env.REDIS_URL, () => redisClient().set('health', Date.now(), 'EX', 60)),
    outcome(process.env.DATABASE_URL, () => databasePool().query('select 1')),
  ]);
  const fault = process.env.APP_FAULT;
  const sick =
    fault === 'never-healthy' || (fault === 'broken-behind-proxy' && request.headers.has('x-real-ip'));
  const checks = { redis: cache, database };
  const healthy = !sick && !Object.values(checks).some((result) => result.startsWith('failed'));
  return Response.json(
    { status: healthy ? 'ok' : 'failing', version: process.env.APP_VERSION || 'unknown', checks },
    { status: healthy ? 200 : 503, headers: { 'cache-control': 'no-store' } },
  );
}
