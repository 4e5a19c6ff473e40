// SPDX-License-Identifier: GPL-3.0-or-later
// Copyright: (c) 2026 Portreeve contributors
// node's ways to share a listener: cluster (policy rr or none), or a handle sent to a child (policy handle).
'use strict';
const [policy, port] = [process.argv[2], Number(process.argv[3])];
const cluster = require('cluster');
const net = require('net');
const greet = (peer) => peer.on('error', () => {}).end('hello');

if (policy === 'child') {
  process.on('message', (_words, listener) => listener.on('connection', greet));
} else if (policy === 'handle') {
  const child = require('child_process').fork(__filename, ['child', String(port)]);
  const listener = net.createServer(greet).listen(port, '127.0.0.1', () => child.send('here', listener));
} else if (cluster.isPrimary) {
  cluster.schedulingPolicy = policy === 'rr' ? cluster.SCHED_RR : cluster.SCHED_NONE;
  for (let number = 0; number < 3; number += 1) cluster.fork();
} else {
  net.createServer(greet).listen(port, '127.0.0.1');
}
