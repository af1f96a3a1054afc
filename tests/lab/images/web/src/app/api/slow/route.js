export const dynamic = 'force-dynamic';

// A response that takes `ms` milliseconds (at most 60 s): what a drain has to wait for.
export async function GET(request) {
  const wanted = Number(new URL(request.url).searchParams.get('ms') || 3000);
  const ms = Math.min(Math.max(wanted, 0), 60000);
  await new Promise((resolve) => setTimeout(resolve, ms));
  return Response.json({ version: process.env.APP_VERSION || 'unknown', ms });
}
