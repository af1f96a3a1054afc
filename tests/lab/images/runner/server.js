// The lab's runner: reads its configuration, owns a workspace, reaches the application only through the address it was told.
'use strict';

const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');

const CONFIG = process.env.RUNNER_CONFIG || '/app/config.yml';
const WORKSPACE = process.env.RUNNER_WORKSPACE || '/workspace';
if (process.env.APP_FAULT === 'crash') {
  console.error('runner: APP_FAULT=crash, leaving');
  process.exit(1);
}
const VERSION = process.env.APP_VERSION || 'unknown';

// Only the `name:` line is of interest here, which needs no YAML library.
function configName() {
  const match = fs.readFileSync(CONFIG, 'utf8').match(/^name:\s*"?([^"\n]+)"?\s*$/m);
  if (!match) throw new Error(`${CONFIG} has no name`);
  return match[1];
}

function touchWorkspace() {
  const file = path.join(WORKSPACE, '.health');
  fs.writeFileSync(file, new Date().toISOString());
  return 'ok';
}

async function apiVersion() {
  const url = process.env.QUETREX_API_URL;
  if (!url) return 'not configured';
  const answer = await fetch(`${url}/health`, { signal: AbortSignal.timeout(2000) });
  return (await answer.json()).version;
}

async function outcome(probe) {
  try {
    return await probe();
  } catch (error) {
    return `failed: ${(error.cause && error.cause.code) || error.code || error.message}`;
  }
}

const server = http.createServer(async (request, response) => {
  const route = new URL(request.url, 'http://runner').pathname;
  const body = { version: VERSION };
  let status = 200;
  if (route === '/health') {
    body.config = await outcome(configName);
    body.workspace = await outcome(touchWorkspace);
    status = [body.config, body.workspace].some((value) => value.startsWith('failed')) ? 503 : 200;
    body.status = status === 200 ? 'ok' : 'failing';
  } else if (route === '/status') {
    body.api = await outcome(apiVersion);
  } else {
    status = 404;
    body.error = 'not found';
  }
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(`${JSON.stringify(body)}\n`);
});

server.keepAliveTimeout = Number(process.env.KEEP_ALIVE_TIMEOUT || 75000);
server.listen(Number(process.env.PORT || 8080), '0.0.0.0');
process.on('SIGTERM', () => server.close(() => process.exit(0)));
