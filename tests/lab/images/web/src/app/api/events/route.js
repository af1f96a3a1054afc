export const dynamic = 'force-dynamic';

// Server-sent events: one every `every` ms, `count` in all.
export function GET(request) {
  const query = new URL(request.url).searchParams;
  const every = Math.max(Number(query.get('every') || 1000), 10);
  const count = Math.min(Number(query.get('count') || 10), 1000);
  const encoder = new TextEncoder();
  const version = process.env.APP_VERSION || 'unknown';
  let timer;
  const stream = new ReadableStream({
    start(controller) {
      let sent = 0;
      const tick = () => {
        if (sent >= count) return controller.close();
        controller.enqueue(encoder.encode(`id: ${sent}\ndata: ${JSON.stringify({ version, sent })}\n\n`));
        sent += 1;
        timer = setTimeout(tick, every);
      };
      tick();
    },
    cancel: () => clearTimeout(timer),
  });
  return new Response(stream, {
    headers: { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' },
  });
}
