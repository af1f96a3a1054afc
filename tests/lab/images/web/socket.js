// Websockets beside Next.js: `/api/socket` says which version answers and sends back what it is told.
'use strict';

const http = require('node:http');
const { WebSocketServer } = require('next/dist/compiled/ws');

const VERSION = process.env.APP_VERSION || 'unknown';
const RESTARTING = 1012; // "service restart", RFC 6455's registry: come back at once

const sockets = new WebSocketServer({ noServer: true });
sockets.on('connection', (socket) => {
  socket.send(JSON.stringify({ version: VERSION }));
  socket.on('message', (data) => socket.send(data.toString()));
  socket.on('error', () => {});
});

// Next.js ends every upgrade it does not know, so these never reach it.
const emit = http.Server.prototype.emit;
http.Server.prototype.emit = function dispatch(event, ...words) {
  if (event !== 'upgrade' || new URL(words[0].url, 'http://web').pathname !== '/api/socket') return emit.call(this, event, ...words);
  const [request, socket, head] = words;
  sockets.handleUpgrade(request, socket, head, (open) => sockets.emit('connection', open));
  return true;
};

process.once('SIGTERM', () => sockets.clients.forEach((socket) => socket.close(RESTARTING, 'restart')));
