// One client of node's own HTTP/2: subscribes with server push, says GOAWAY while its
// stream is open (session.close()), and reads to the stream's end.
//
//     node h2_goaway.js ORIGIN PATH COUNT     COUNT blocks of events, then it goes
//
// Prints "goaway" once that is said, then a line for each promise and for each event's ID.
"use strict";
const http2 = require("node:http2");

const [origin, path, count] = process.argv.slice(2);
const session = http2.connect(origin);
let text = "", seen = 0;

function fail(error) {
  console.error(error);
  process.exit(1);
}

function take(block) {
  const id = /^id: (\d+)$/m.exec(block);
  if (!/^data:/m.test(block)) return;
  console.log("event", id[1]);
  if (++seen === Number(count)) stream.close();
}

session.on("error", fail);
session.on("stream", (promised, headers) => {
  console.log("promise", headers[":path"]);
  promised.on("error", fail);
  promised.resume();
});

const stream = session.request({":path": path, accept: "text/event-stream"});
stream.setEncoding("utf8");
stream.on("error", fail);
stream.on("response", () => {
  session.close(); // HTTP/2's GOAWAY; streams that are open go on
  setImmediate(() => console.log("goaway"));
});
stream.on("data", (data) => {
  text += data;
  const blocks = text.split("\n\n");
  text = blocks.pop();
  blocks.forEach(take);
});
session.on("close", () => console.log("closed"));
