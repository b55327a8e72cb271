"""Keys, tokens, users and the configuration that believes them.

    ids = Identities(folder)            an issuer with keys of each kind, users, CURVE keys
    ids.config(anonymous="guest")       [auth] and [role "…"] for a Sluice
    ids.token("EdDSA", sub="alice", grants={"publish": ["a/#"]})
    forged(ids, "none")                 one that nobody may believe

Tokens are made with Python's cryptography, not by the code under test."""

import functools
import hashlib
import hmac
import json
import pathlib
import time

import zmq
from authlib import b64url as b64, yescrypt
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

ISSUER, AUDIENCE = "https://issuer.example", "sluice"
PASSWORD = "correct horse battery staple"


def b64_number(n, size=None):
    return b64(n.to_bytes(size or (n.bit_length() + 7) // 8, "big"))


def packed(value):
    return b64(json.dumps(value).encode())


class RsaKey:
    def __init__(self, kid):
        self.kid, self.key = kid, rsa.generate_private_key(65537, 2048)

    def public(self):
        n = self.key.public_key().public_numbers()
        return {"kty": "RSA", "kid": self.kid, "n": b64_number(n.n), "e": b64_number(n.e)}

    def sign(self, alg, text):
        pad = (padding.PSS(padding.MGF1(hashes.SHA256()), 32) if alg == "PS256"
               else padding.PKCS1v15())
        return self.key.sign(text, pad, hashes.SHA256())


class EcKey:
    def __init__(self, kid):
        self.kid, self.key = kid, ec.generate_private_key(ec.SECP256R1())

    def public(self):
        n = self.key.public_key().public_numbers()
        return {"kty": "EC", "crv": "P-256", "kid": self.kid, "x": b64_number(n.x, 32),
                "y": b64_number(n.y, 32)}

    def sign(self, _, text):
        r, s = utils.decode_dss_signature(self.key.sign(text, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


class EdKey:
    def __init__(self, kid):
        self.kid, self.key = kid, ed25519.Ed25519PrivateKey.generate()

    def public(self):
        raw = self.key.public_key().public_bytes(serialization.Encoding.Raw,
                                                 serialization.PublicFormat.Raw)
        return {"kty": "OKP", "crv": "Ed25519", "kid": self.kid, "x": b64(raw)}

    def sign(self, _, text):
        return self.key.sign(text)


class SecretKey:
    kid = None

    def __init__(self, secret):
        self.secret = secret

    def sign(self, _, text):
        return hmac.new(self.secret, text, hashlib.sha256).digest()


ALGORITHMS = ("HS256", "RS256", "PS256", "ES256", "EdDSA")


cheap_hash = functools.lru_cache(None)(yescrypt)


class Identities:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        rsa_key = RsaKey("rsa")
        self.keys = {"RS256": rsa_key, "PS256": rsa_key, "ES256": EcKey("ec"),
                     "EdDSA": EdKey("ed"), "HS256": SecretKey(hashlib.sha256(b"secret").digest())}
        self.revoked, self.users, self.curve = set(), {}, {}
        self.roles = {}
        self.write("secret", self.keys["HS256"].secret)
        self.write_keys()
        self.write_lists()

    def write(self, name, content):
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(0o600)

    def write_keys(self):
        public = {k.kid: k.public() for k in self.keys.values() if k.kid}
        self.write("jwks.json", json.dumps({"keys": list(public.values())}))

    def write_lists(self):
        self.write("revoked", "".join(f"{jti}\n" for jti in sorted(self.revoked)))
        self.write("users", "".join(f"{n}:{h}:{','.join(r)}\n" for n, (h, r) in self.users.items()))
        self.write("keys", "".join(f"{n}:{k}:{','.join(r)}\n" for n, (k, r) in self.curve.items()))

    def user(self, name, *roles, password=PASSWORD):
        self.users[name] = cheap_hash(password), roles
        self.write_lists()

    def key(self, name, *roles):
        """(public, secret)"""
        public, secret = zmq.curve_keypair()
        self.curve[name] = public.decode(), roles
        self.write_lists()
        return public, secret

    def token(self, alg="HS256", sub="alice", grants=None, ttl=3600, header=None, key=None,
              **claims):
        key = key or self.keys[alg]
        now = int(time.time())
        head = {"alg": alg, "typ": "JWT", **({"kid": key.kid} if key.kid else {}), **(header or {})}
        body = {"iss": ISSUER, "aud": AUDIENCE, "sub": sub, "exp": now + ttl,
                "sluice": grants or {}, **claims}
        text = packed(head) + "." + packed({k: v for k, v in body.items() if v is not None})
        return text + "." + b64(key.sign(alg, text.encode()))

    def config(self, anonymous=None, more=""):
        lines = ["[auth]", f"jwks = {self.folder}/jwks.json",
                 f"hmac_key_file = {self.folder}/secret", f"issuer = {ISSUER}",
                 f"audience = {AUDIENCE}", f"revoked = {self.folder}/revoked", "cookie = sid"]
        lines += [f"users = {self.folder}/users"] if self.users else []
        lines += [f"keys = {self.folder}/keys"] if self.curve else []
        lines += [f"anonymous = {anonymous}"] if anonymous else []
        lines.append(more)
        for name, verbs in self.roles.items():
            lines.append(f'[role "{name}"]')
            lines += [f"{verb} = {', '.join(filters)}" for verb, filters in verbs.items()]
        return "\n".join(lines) + "\n"


def forged(ids, how, **kw):
    """A token of alice's that is wrong in one way."""
    now = int(time.time())
    good = ids.token("RS256", **kw)
    head, body, signature = good.split(".")
    pem = ids.keys["RS256"].key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    made = {
        "signature": lambda: f"{head}.{body}.{signature[:-8]}AAAAAAAA",
        "body": lambda: f"{head}.{packed({'sub': 'root', 'exp': now + 60})}.{signature}",
        "expired": lambda: ids.token("ES256", ttl=-60, **kw),
        "not yet": lambda: ids.token("EdDSA", nbf=now + 600, **kw),
        "audience": lambda: ids.token("EdDSA", aud="another", **kw),
        "no audience": lambda: ids.token("EdDSA", aud=None, **kw),
        "issuer": lambda: ids.token("EdDSA", iss="https://evil.example", **kw),
        "none": lambda: f"{packed({'alg': 'none', 'typ': 'JWT'})}.{body}.",
        "none with a signature": lambda: f"{packed({'alg': 'none'})}.{body}.{signature}",
        "the public key as a secret": lambda: ids.token("HS256", key=SecretKey(pem), **kw),
        "another's key": lambda: ids.token("RS256", key=RsaKey("rsa"), **kw),
        "another kid": lambda: ids.token("RS256", key=RsaKey("nobody"), **kw),
        "kid of another algorithm": lambda: ids.token("RS256", header={"kid": "ed"}, **kw),
        "algorithm of another key": lambda: ids.token("ES256", header={"alg": "RS256"}, **kw),
        "no subject": lambda: ids.token("EdDSA", sub=None, **{k: v for k, v in kw.items()
                                                                if k != "sub"}),
        "an extension": lambda: ids.token("EdDSA", header={"crit": ["b64"], "b64": False}, **kw),
        "two parts": lambda: f"{head}.{body}",
        "garbage": lambda: "a.b.c",
    }
    return made[how]()


FORGERIES = ("signature", "body", "expired", "not yet", "audience", "no audience", "issuer",
             "none", "none with a signature", "the public key as a secret", "another's key",
             "another kid", "kid of another algorithm", "algorithm of another key", "no subject",
             "an extension", "two parts", "garbage")
