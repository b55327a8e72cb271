"""Credentials for tests: tokens, users, and the configuration that believes them.

    auth = Auth(tmp_path, roles={"sensor": {"publish": "fleet/%u/#"}}, anonymous="guest")
    s = new_sluice(auth.config())
    s.session.headers.update(auth.bearer("alice", publish=["a/#"]))
    auth.user("bob", "secret", "sensor"); auth.revoke("jti"); auth.role("sensor", publish="x")
    auth.reload(s)                      writes the configuration anew, SIGHUP to all

Tokens are made by hand here (hmac, json), not by what is tested.
"""

import base64
import ctypes
import ctypes.util
import hashlib
import hmac
import itertools
import json
import pathlib
import signal
import time

KEY = b"a secret of tests, 32 bytes and more"


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def jwt(claims, key=KEY, alg="HS256", **header):
    """Any claims under any header; signed with HMAC-SHA256 whatever `alg` says, but for none."""
    parts = [{"alg": alg, "typ": "JWT", **header}, claims]
    text = ".".join(b64url(json.dumps(p, separators=(",", ":")).encode()) for p in parts)
    mac = b"" if alg == "none" else hmac.new(key, text.encode(), hashlib.sha256).digest()
    return f"{text}.{b64url(mac)}"


numbers = itertools.count(1)


def token(sub, ttl=300, key=KEY, alg="HS256", claims=None, header=None, **grants):
    """A token of ours: grants are publish=, subscribe=, manage= and roles=, lists of text."""
    now = time.time()
    body = {"sub": sub, "iat": int(now), "jti": f"{sub}-{next(numbers)}", "sluice": grants}
    if ttl is not None:
        body["exp"] = now + ttl
    body.update(claims or {})
    return jwt({k: v for k, v in body.items() if v is not None}, key, alg, **(header or {}))


def yescrypt(password):
    """As cheap as libxcrypt makes it."""
    lib = ctypes.CDLL(ctypes.util.find_library("crypt") or "libcrypt.so.1")
    lib.crypt.restype = lib.crypt_gensalt.restype = ctypes.c_char_p
    lib.crypt_gensalt.argtypes = [ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p, ctypes.c_int]
    salt = lib.crypt_gensalt(b"$y$", 1, None, 0)
    return lib.crypt(password.encode(), salt).decode()


class Auth:
    """What a system believes.  Nothing is there but what is asked for: tokens=False has no key;
    more is further lines of [auth], limits those of [limits], rest other sections."""

    def __init__(self, folder, roles=None, anonymous="", tokens=True, users=None, more="",
                 limits="", rest=""):
        self.folder = pathlib.Path(folder) / "auth"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.roles = {name: dict(verbs) for name, verbs in (roles or {}).items()}
        self.anonymous, self.tokens = anonymous, tokens
        self.more, self.limits, self.rest = more, limits, rest
        self.users, self.revoked = {}, []
        (self.folder / "key").write_bytes(KEY)
        (self.folder / "key").chmod(0o600)
        for name, (password, names) in (users or {}).items():
            self.user(name, password, names)

    # --- what is believed

    def role(self, name, **verbs):
        self.roles[name] = verbs

    def user(self, name, password, roles=""):
        self.users[name] = f"{name}:{yescrypt(password)}:{roles}"

    def revoke(self, jti):
        self.revoked.append(jti)

    # --- files

    def write(self):
        for name, lines in {"users": self.users.values(), "revoked": self.revoked}.items():
            (self.folder / name).write_text("".join(f"{line}\n" for line in lines))
            (self.folder / name).chmod(0o600)

    def config(self):
        """Writes the files; the text of the configuration."""
        self.write()
        lines = ["[auth]"]
        if self.tokens:
            lines += [f"hmac_key_file = {self.folder / 'key'}",
                      f"revoked = {self.folder / 'revoked'}"]
        if self.users:
            lines += [f"users = {self.folder / 'users'}"]
        if self.anonymous:
            lines += [f"anonymous = {self.anonymous}"]
        lines += [self.more]
        for name, verbs in self.roles.items():
            lines += [f'[role "{name}"]'] + [f"{v} = {f}" for v, f in verbs.items()]
        return "\n".join(lines + ["[limits]", self.limits, self.rest, ""])

    def reload(self, sluice):
        """What was changed holds, a moment after this."""
        sluice.config.write_text(self.config())
        for p in sluice.processes.values():
            p.signal(signal.SIGHUP)

    # --- credentials, as header fields

    @staticmethod
    def bearer(sub, **kwargs):
        return {"Authorization": "Bearer " + token(sub, **kwargs)}

    @staticmethod
    def basic(name, password):
        pair = base64.b64encode(f"{name}:{password}".encode()).decode()
        return {"Authorization": "Basic " + pair}
