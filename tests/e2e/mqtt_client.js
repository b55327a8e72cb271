// npm's mqtt against a gateway: node mqtt_client.js <url> <4|5>.  Prints what it saw as
// one line of JSON.
'use strict';
const mqtt = require('mqtt');
const [url, version] = process.argv.slice(2);
const protocolVersion = Number(version);
const five = protocolVersion === 5;
const common = { protocolVersion, reconnectPeriod: 0, connectTimeout: 10000 };
const seen = { messages: [] };

function fail(error) {
  console.error(error);
  process.exit(1);
}

async function waitFor(condition) {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

function take(topic, payload, packet) {
  const user = packet.properties && packet.properties.userProperties;
  seen.messages.push({ topic, payload: payload.toString(), qos: packet.qos, retain: packet.retain,
    user: five ? { ...user } : null });
}

// A session: subscribes, leaves, comes back and finds what it missed.
async function session() {
  const options = { ...common, clientId: 'js-session', clean: false };
  if (five) options.properties = { sessionExpiryInterval: 100 };
  let c = await mqtt.connectAsync(url, options);
  await c.subscribeAsync('js/missed', { qos: 2 });
  await c.endAsync();
  const other = await mqtt.connectAsync(url, common);
  await other.publishAsync('js/missed', 'while away', { qos: 2 });
  await other.endAsync();
  c = mqtt.connect(url, options);
  c.on('error', fail);
  const missed = [];
  c.on('message', (topic, payload) => missed.push(payload.toString()));
  c.on('connect', (connack) => { seen.present = connack.sessionPresent; });
  await waitFor(() => missed.length === 1);
  seen.missed = missed;
  await c.endAsync();
}

async function main() {
  const c = await mqtt.connectAsync(url, { ...common,
    properties: five ? { topicAliasMaximum: 5, receiveMaximum: 3 } : undefined });
  c.on('error', fail);
  c.on('message', take);
  seen.granted = (await c.subscribeAsync(['js/0', 'js/1', 'js/2'], { qos: 2 })).map((g) => g.qos);
  for (const qos of [0, 1, 2]) {
    await c.publishAsync(`js/${qos}`, `text ${qos}`, { qos,
      properties: five ? { userProperties: { k: 'v' }, contentType: 'text/plain' } : undefined });
  }
  const large = 'x'.repeat(300000);
  await c.publishAsync('js/2', large, { qos: 2, retain: true });
  await waitFor(() => seen.messages.length === 4);
  seen.messages[3].payload = seen.messages[3].payload === large;
  await c.unsubscribeAsync('js/2');
  await c.subscribeAsync('js/+', { qos: 1 });
  await waitFor(() => seen.messages.length === 5);
  seen.messages[4].payload = seen.messages[4].payload === large;
  await c.endAsync();
  await session();
  console.log(JSON.stringify(seen));
}

main().catch(fail);
