"""Which cameras are who they say they are: by the system's certificate authorities, or those of a URI."""

import select
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from perception.errors import ConfigError

_LOCK = Lock()  # of all connections: each call takes microseconds
_ANYBODY = "insecure"
# Where systems keep their authorities in one file, which is what FFmpeg needs, if Python does not know.
_STORES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
OPTIONS = {
    "tls": f"{_ANYBODY}: any certificate is good, of rtsps:// and https:// [default: it is verified]",
    "ca": "a file of certificate authorities to trust in place of the system's, in PEM",
}


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose certificates are good.

    Attributes:
        authorities: a file in PEM; empty: the system's.
        anybody: nothing is verified.
    """

    authorities: str = ""
    anybody: bool = False

    @property
    def context(self) -> ssl.SSLContext:
        """For connections of Python's."""
        context = ssl.create_default_context(cafile=self._file())
        if self.anybody:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    @property
    def ffmpeg(self) -> dict[str, str]:
        """As options of FFmpeg, which by itself verifies nothing."""
        return {"tls_verify": "0"} if self.anybody else {"tls_verify": "1", "ca_file": self._file()}

    def _file(self) -> str:
        stores = (ssl.get_default_verify_paths().cafile, *_STORES)
        found = self.authorities or next((one for one in stores if one and Path(one).is_file()), "")
        if not found and not self.anybody:
            raise ConfigError(
                "this system has no file of certificate authorities; install ca-certificates or add ?ca=FILE"
            )
        return found


def read_tls(text: str) -> bool:
    """Of `?tls=`."""
    if text != _ANYBODY:
        raise ValueError(f"allowed is {_ANYBODY}, which verifies nothing; leave it out otherwise")
    return True


def read_authorities(text: str) -> str:
    """Of `?ca=`."""
    try:
        ssl.create_default_context(cafile=text)
    except OSError as error:  # also where there is no certificate in it
        raise ValueError(f"it must be a file of certificates in PEM ({error.strerror or error})") from None
    return text


def secured(connection: socket.socket, trust: Trust, host: str) -> ssl.SSLSocket:
    """TLS over a connection, which becomes its own and is closed with it.

    Raises:
        ssl.SSLCertVerificationError: the other side is not whom the name says.
        OSError: there is no TLS with it.
    """
    context = trust.context
    context.sslsocket_class = _Shared
    try:
        tls = context.wrap_socket(connection, server_hostname=host)
    except OSError:
        connection.close()
        raise
    tls.setblocking(False)
    return tls


class _Shared(ssl.SSLSocket):
    """One thread may read it while another writes, which `ssl` by itself does not allow."""

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        while True:
            with _LOCK:
                try:
                    return super().recv(buflen, flags)
                except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    pass
            _wait(self, select.POLLIN)

    def sendall(self, data: Any, flags: int = 0) -> None:
        left = memoryview(data)
        while left:
            with _LOCK:
                try:
                    left = left[super().send(left, flags) :]
                    continue
                except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    pass
            _wait(self, select.POLLOUT)

    def shutdown(self, how: int) -> None:
        """Of the connection alone: what TLS still holds is not read as if it were plain."""
        socket.socket.shutdown(self, how)


def _wait(connection: socket.socket, event: int) -> None:
    waiting = select.poll()
    waiting.register(connection, event)
    waiting.poll()
