import { headers } from 'next/headers';
import Counter from './counter';

export const dynamic = 'force-dynamic';

// What a person, and a test, sees: which version answered, and as whom it saw the visitor.
export default async function Page() {
  const version = process.env.APP_VERSION || 'unknown';
  const visitor = (await headers()).get('x-real-ip') || 'direct';
  if (process.env.APP_FAULT === 'broken-behind-proxy' && visitor !== 'direct') {
    throw new Error('APP_FAULT=broken-behind-proxy');
  }
  return (
    <main>
      <h1>Quetrex</h1>
      <p>
        version <strong id="version">{version}</strong>
      </p>
      <p>
        visitor <span id="visitor">{visitor}</span>
      </p>
      <Counter />
      <script src={`/_next/static/release/${version}.js`} async />
    </main>
  );
}
