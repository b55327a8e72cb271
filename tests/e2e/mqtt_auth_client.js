// npm's mqtt as a user, with a token, and by the method jwt:
// node mqtt_auth_client.js <url> <4|5> <prefix> <user> <password> <token> <another>
'use strict';
const mqtt = require('mqtt');
const [url, version, prefix, username, password, token, another] = process.argv.slice(2);
const five = version === '5';
const common = { protocolVersion: Number(version), reconnectPeriod: 0, connectTimeout: 10000 };

function check(good, what) {
  if (good) return;
  console.error(what);
  process.exit(1);
}

async function fails(promise, code, what) {
  const error = await promise.then(() => null, (e) => e);
  check(error !== null && (code === undefined || error.code === code), `${what}: ${error}`);
}

async function roundTrip(c) {
  const came = new Promise((resolve) => c.once('message', (t, payload) => resolve(`${payload}`)));
  const granted = await c.subscribeAsync(`${prefix}/js`, { qos: 1 });
  check(granted[0].qos === 1, 'granted');
  await c.publishAsync(`${prefix}/js`, 'hello', { qos: 1 });
  check((await came) === 'hello', 'payload');
}

async function shown(options) {
  const c = await mqtt.connectAsync(url, { ...common, ...options });
  await roundTrip(c);
  if (five) await fails(c.publishAsync('x', 'no', { qos: 1 }), 0x87, 'a refused publish');
  await c.endAsync();
}

// A re-authentication is an AUTH of ours, which npm's mqtt leaves to whoever calls it.
async function renewed() {
  const c = await mqtt.connectAsync(url, { ...common, properties: {
    authenticationMethod: 'jwt', authenticationData: Buffer.from(token) } });
  const answer = new Promise((resolve) => c.on('packetreceive', (p) => {
    if (p.cmd === 'auth') resolve(p);
  }));
  c.handleAuth = (packet, done) => done();
  c._sendPacket({ cmd: 'auth', reasonCode: 0x19, properties: {
    authenticationMethod: 'jwt', authenticationData: Buffer.from(another) } });
  check((await answer).reasonCode === 0, 'AUTH');
  await roundTrip(c);
  await c.endAsync();
}

async function main() {
  await shown({ username, password });
  await shown({ username: 'ignored', password: token });
  await fails(mqtt.connectAsync(url, { ...common, username, password: 'wrong' }),
    five ? 0x86 : 4, 'a wrong password');
  if (five) await renewed();
  console.log('ok');
}

main().catch((error) => check(false, error.stack));
