// Starts the standalone server, unless this version of the image is broken on purpose.
'use strict';

const fault = process.env.APP_FAULT || '';

if (fault === 'crash') {
  console.error('web: APP_FAULT=crash, leaving');
  process.exit(1);
}
require('./socket.js');
setTimeout(() => require('./server.js'), fault === 'slow-start' ? Number(process.env.APP_START_MS || 20000) : 0);
