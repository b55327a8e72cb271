"""Certificates for tests, and systems whose doors speak TLS.

Every client here verifies: it trusts the one authority of its test and nothing else.
"""

import pathlib
import ssl
import subprocess

from sluicelib import TIMEOUT, Raw


def openssl(*args, **kwargs):
    return subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True, **kwargs)


class Authority:
    """Signs certificates; .file is what its clients trust."""

    def __init__(self, folder, name="authority"):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.file, self.key = self.path(".pem"), self.path(".key")
        self.issued = 0
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                "-nodes", "-keyout", self.key, "-out", self.file, "-days", 30,
                "-subj", f"/CN={name}")

    def path(self, suffix):
        return self.folder / f"{self.name}{suffix}"

    def issue(self, *names, subject="/CN=server", rsa=False, days=30):
        """(certificate, key): files.  names: "DNS:a.example" and the like; none: a client's."""
        self.issued += 1
        cert, key, csr = (self.path(f"-{self.issued}.{kind}") for kind in ("pem", "key", "csr"))
        kind = ["rsa:2048"] if rsa else ["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
        openssl("req", "-new", "-newkey", *kind, "-nodes", "-keyout", key, "-out", csr,
                "-subj", subject)
        extensions = self.path(f"-{self.issued}.ext")
        extensions.write_text(f"subjectAltName={','.join(names)}\n" if names else
                              "extendedKeyUsage=clientAuth\n")
        openssl("x509", "-req", "-in", csr, "-CA", self.file, "-CAkey", self.key,
                "-CAcreateserial", "-out", cert, "-days", days, "-extfile", extensions)
        return cert, key

    def server(self, **kwargs):
        return self.issue("DNS:localhost", "IP:127.0.0.1", **kwargs)

    def context(self, certificate=None):
        """A client's, which trusts this authority alone."""
        c = ssl.create_default_context(cafile=self.file)
        if certificate:
            c.load_cert_chain(*certificate)
        return c


def section(*pairs, more=""):
    """[tls] with these (certificate, key) pairs."""
    certificates, keys = zip(*pairs)
    return (f"[tls]\ncertificate = {', '.join(map(str, certificates))}\n"
            f"key = {', '.join(map(str, keys))}\n{more}")


def trust(sluice, authority, certificate=None):
    """The system's clients speak TLS from now on."""
    sluice.tls = authority.context(certificate)
    sluice.session.verify = str(authority.file)
    sluice.session.trust_env = False  # a bundle of the environment would stand in for it
    if certificate:
        sluice.session.cert = tuple(map(str, certificate))
    return sluice


def connect(sluice, context, name="127.0.0.1", gateway="sse"):
    """A handshake: the socket, open."""
    raw = Raw(sluice.port(gateway))
    return context.wrap_socket(raw.socket, server_hostname=name)


def serial(socket):
    return socket.getpeercert()["serialNumber"]


def curl(*args, ca=None, timeout=TIMEOUT):
    command = ["curl", "-sS", "--max-time", str(timeout), *(["--cacert", str(ca)] if ca else [])]
    return subprocess.run([*command, *args], capture_output=True, text=True, timeout=timeout + 5)
