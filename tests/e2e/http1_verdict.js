// What Node's HTTP server makes of a connection's bytes.
//
// Each line of standard input is the bytes of one connection, in hexadecimal.
// Each line of standard output is what came of it, as JSON: the messages
// [method, target, body in hexadecimal] and the parser's error or null.
'use strict';

const http = require('http');
const net = require('net');
const readline = require('readline');

const options = { insecureHTTPParser: false, requireHostHeader: true, keepAliveTimeout: 1000 };
let outcome;

function onRequest(request, response) {
  const body = [];
  request.on('data', (piece) => body.push(piece));
  request.on('end', () => {
    outcome.messages.push([request.method, request.url, Buffer.concat(body).toString('hex')]);
    response.end();
  });
}

const server = http.createServer(options, onRequest);
// A request that Node's HTTP layer refuses after parsing (no Host) is answered
// 400 without an event: the client sees it.
server.on('clientError', (error, socket) => {
  outcome.error = error.code || String(error);
  socket.destroy();
});

function connect(port, bytes) {
  return new Promise((resolve) => {
    let answer = '';
    outcome = { messages: [], error: null };
    const socket = net.connect(port, '127.0.0.1', () => socket.end(bytes));
    socket.setEncoding('latin1');
    socket.on('data', (piece) => { answer += piece; });
    socket.on('error', () => {});
    socket.on('close', () => {
      const refused = answer.match(/^HTTP\/1\.1 ([45]\d\d)/m);
      if (refused && !outcome.error) outcome.error = refused[1];
      resolve(outcome);
    });
  });
}

async function main() {
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const result = await connect(server.address().port, Buffer.from(line, 'hex'));
    process.stdout.write(JSON.stringify(result) + '\n');
  }
  server.close();
}

main();
