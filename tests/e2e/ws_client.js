// npm's `ws` against the gateway: node ws_client.js URL json|raw [deflate]
// Publishes and receives messages of many sizes, then closes.  Prints what it saw as
// JSON; whatever goes wrong ends it with a message.
'use strict';

const WebSocket = require('ws');

const [, , url, form, deflate] = process.argv;
const texts = ['', 'a', 'ünïcödé 🦆', '{"not":"parsed"}', 'x'.repeat(125), 'y'.repeat(70000),
  'z'.repeat(1 << 20)];
const seen = { protocol: null, extensions: null, texts: 0, binaries: 0, acks: 0, pongs: 0 };

function fail(why) {
  console.error(why);
  process.exit(1);
}

function check(condition, why) {
  if (!condition)
    fail(why);
}

// Each publishes all of its messages at once and calls finish() when all are back.
const forms = {
  json(ws, finish) {
    const bytes = Buffer.from([0, 255, 1, 254]);
    ws.send(JSON.stringify({ op: 'subscribe', ref: 'more', topic: 'js/#' }));
    texts.forEach((data, ref) =>
      ws.send(JSON.stringify({ op: 'publish', ref, topic: 'js/text', data })));
    ws.send(JSON.stringify({
      op: 'publish', ref: 'b', topic: 'js/text', data_base64: bytes.toString('base64') }));
    ws.on('message', (data, binary) => {
      const m = JSON.parse(data);
      check(!binary && m.op !== 'error', data.toString().slice(0, 300));
      if (m.op === 'ack')
        seen.acks++;
      if (m.op !== 'event' || !m.subs.includes('path'))
        return;
      if (seen.texts < texts.length)
        check(m.data === texts[seen.texts++], 'a text came back changed');
      else if (m.data_base64 === bytes.toString('base64'))
        seen.binaries++;
      if (seen.binaries === 1)
        finish();
    });
  },

  raw(ws, finish) {
    const binaries = texts.map((t) => Buffer.from(t).reverse());
    texts.forEach((t) => ws.send(t));
    binaries.forEach((b) => ws.send(b, { fin: false }, () => {}) || ws.send(b.subarray(0, 0)));
    ws.on('message', (data, binary) => {
      if (binary)
        check(data.equals(binaries[seen.binaries++]), 'a binary came back changed');
      else
        check(data.toString() === texts[seen.texts++], 'a text came back changed');
      if (seen.texts + seen.binaries === 2 * texts.length)
        finish();
    });
  },
};

const ws = new WebSocket(url, `sluice.${form}`, { perMessageDeflate: deflate === 'deflate' });
ws.on('error', fail);
ws.on('pong', (data) => { seen.pongs += data.toString() === 'are you there'; });
ws.on('open', () => {
  Object.assign(seen, { protocol: ws.protocol, extensions: ws.extensions });
  ws.ping('are you there');
  forms[form](ws, () => ws.close(4000, 'done'));
});
ws.on('close', (code) => {
  console.log(JSON.stringify({ ...seen, code }));
});
