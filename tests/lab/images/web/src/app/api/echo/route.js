import { createHash } from 'node:crypto';

export const dynamic = 'force-dynamic';

// Says what arrived, so that a test can tell a truncated or repeated POST from a good one.
export async function POST(request) {
  const body = Buffer.from(await request.arrayBuffer());
  return Response.json({
    version: process.env.APP_VERSION || 'unknown',
    bytes: body.length,
    sha256: createHash('sha256').update(body).digest('hex'),
    id: request.headers.get('x-request-id'),
    visitor: request.headers.get('x-real-ip'),
  });
}
