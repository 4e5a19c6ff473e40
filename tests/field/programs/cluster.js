// SPDX-License-Identifier: GPL-3.0-or-later
// Copyright: (c) 2026 Portreeve contributors
// A cluster of node: NODE_CLUSTER_SCHED_POLICY decides whether its master or its workers accept.
const cluster = require("cluster");
const http = require("http");

if (cluster.isPrimary) {
  cluster.fork();
  cluster.fork();
} else {
  http.createServer((_, response) => response.end("hello\n")).listen(Number(process.argv[2]), "0.0.0.0");
}
