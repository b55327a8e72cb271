// npm's jose as whoever makes keys and tokens: a line of JSON each way.
//   {"make": "ES256", "kid": "k1"}                -> {"private": JWK, "public": JWK}
//   {"sign": claims, "jwk": JWK, "header": {…}}   -> {"token": "…"}
//   {"verify": "…", "jwk": JWK}                   -> {"claims": {…}, "header": {…}}
'use strict';
const readline = require('readline');
const jose = require('jose');

async function make(alg, kid) {
  if (alg.startsWith('HS')) {
    const k = jose.base64url.encode(crypto.getRandomValues(new Uint8Array(64)));
    const jwk = { kty: 'oct', k, alg, kid };
    return { private: jwk, public: jwk };
  }
  const crv = alg === 'EdDSA' ? { crv: 'Ed25519' } : {};
  const pair = await jose.generateKeyPair(alg, { extractable: true, ...crv });
  const named = { alg, kid, use: 'sig' };
  return {
    private: { ...(await jose.exportJWK(pair.privateKey)), ...named },
    public: { ...(await jose.exportJWK(pair.publicKey)), ...named },
  };
}

async function sign(claims, jwk, header) {
  const key = await jose.importJWK(jwk, header.alg);
  return { token: await new jose.SignJWT(claims).setProtectedHeader(header).sign(key) };
}

async function verify(token, jwk) {
  const { payload, protectedHeader } = await jose.jwtVerify(token, await jose.importJWK(jwk));
  return { claims: payload, header: protectedHeader };
}

async function answer(q) {
  if (q.make) return make(q.make, q.kid);
  if (q.sign) return sign(q.sign, q.jwk, q.header);
  return verify(q.verify, q.jwk);
}

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const told = await answer(JSON.parse(line)).catch((e) => ({ error: String(e) }));
    console.log(JSON.stringify(told));
  }
}

main();
