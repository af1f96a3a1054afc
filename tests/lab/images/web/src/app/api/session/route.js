import Redis from 'ioredis';

export const dynamic = 'force-dynamic';

// A session as an application keeps it: a counter in Redis. The client's own defaults, which wait for a Redis that restarts.
let redis;

export async function POST(request) {
  redis ??= new Redis(process.env.REDIS_URL).on('error', () => {});
  const id = new URL(request.url).searchParams.get('id') || 'nobody';
  const count = await redis.incr(`session:${id}`);
  return Response.json({ version: process.env.APP_VERSION || 'unknown', id, count });
}
