"""Pictures from a key of Zenoh, as messages of ROS 2: `zenoh:car/front/image/compressed`."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import zenoh

from perception.errors import SourceError
from perception.interchange.buses.uris import ZenohOptions
from perception.interchange.buses.zenoh_session import open_session, waits, words
from perception.picture_size import MAX_PIXELS
from perception.sources.bus import BusSource, camera_info_beside
from perception.uri import Uri

_CDR = "application/cdr"
_UNSAID = "zenoh/bytes"


class ZenohSource(BusSource):
    """The encoding of a message names its type, else the key does: CompressedImage below /compressed."""

    def __init__(
        self, uri: Uri, options: ZenohOptions, camera: str = "front", max_pixels: int = MAX_PIXELS
    ) -> None:
        super().__init__(uri, camera, max_pixels)
        self._key, self._options = uri.place, options
        self._session: Any = None

    @contextmanager
    def _open(self) -> Iterator[None]:
        try:
            yield
        finally:
            if self._session is not None:
                self._session.close()
                self._session = None

    def _look(self) -> str:
        if self._session is None:
            try:
                self._session = open_session(self._options)
            except zenoh.ZError as error:
                if not waits(self._options):
                    raise SourceError(f"source {self.uri}: Zenoh refuses ({words(error)})") from error
                return "nobody is there to connect to"
            take_info = self._camera_info_taker(self._key)
            self._session.declare_subscriber(self._key, self._put)
            self._session.declare_subscriber(
                camera_info_beside(self._key), lambda sample: take_info(sample.payload.to_bytes())
            )
        return f"nobody puts {self._key}"

    def _put(self, sample: Any) -> None:
        form, _, kind = str(sample.encoding).partition(";")
        if form not in (_CDR, _UNSAID):
            kind = form
        elif not kind:
            kind = f"sensor_msgs/msg/{'CompressedImage' if self._key.endswith('/compressed') else 'Image'}"
        self._take(kind, sample.payload.to_bytes())
