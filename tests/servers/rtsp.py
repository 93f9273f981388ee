"""A camera that sends H.264 or H.265 over RTSP: `python -m tests.servers.rtsp --size 640x384 --rate 30`.

A loop is encoded once ahead and sent at its pace, over TCP or UDP, to any number of clients.
It says {"url": …, "start_ns": …, "rate": …, "loop": L}: picture n is captured at start_ns + n / rate by the
monotonic clock, and carries the number n modulo L. Commands on stdin, one a line:

    stall                send nothing more                             go        all as at first again
    close                drop the connections                          refuse    answer 503
    corrupt N            the next N pictures hold garbage              size WxH
    lose SHARE           of RTP packets                                jump S    of the clock, in s
    freeze, black        the same picture again and again
    hold                 gather pictures, and send them at once at `go`
    clock S              of its wall clock, in s ahead of this computer's; with --clock it sends reports of it

With --clock, sender reports come before the first picture and each second (RFC 3550, 6.4.1); picture n is
captured at wall_ns + n / rate by this computer's wall clock. With --cached, a client first gets the pictures
since the last key frame but one, as relays send them.
"""

import argparse
import asyncio
import base64
import random
import socket
import struct
import threading
import time

from tests.servers.control import obey, tell
from tests.servers.rtp import CLOCK, Client, encode, payloads

NTP = 2_208_988_800  # s from 1900 to 1970


class Camera:
    def __init__(
        self,
        size: str,
        rate: int,
        gop: int,
        seconds: float,
        user: str,
        base_port: int,
        codec: str,
        marks: str,
    ) -> None:
        self.codec, self.marks = codec, marks
        self.rate, self.gop, self.count = rate, gop, max(gop, round(rate * seconds) // gop * gop)
        self.user, self.port = user, base_port
        self.mode, self.picture = "go", ""
        self.corrupt, self.loss, self.shift = 0, 0.0, 0
        self.clients: set[Client] = set()
        self.ahead_s: float | None = None  # of its wall clock
        self.cached = False
        self.random = random.Random(1)
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", 0))
        self.resize(size)

    def resize(self, size: str) -> None:
        width, height = map(int, size.split("x"))
        self.loop = encode(width, height, self.rate, self.count, self.gop, codec=self.codec)
        self.black = encode(width, height, self.rate, 1, 1, black=True, codec=self.codec)
        self.ahead = True  # a stream of another size begins with a key frame

    async def run(self) -> None:
        self.start, self.wall_ns = time.monotonic(), time.time_ns()
        number, held = 0, list[tuple[int, list[bytes], int]]()
        while True:
            await asyncio.sleep(max(0.0, self.start + number / self.rate - time.monotonic()))
            if self.mode != "hold":
                for earlier in held:
                    self.broadcast(*earlier)
                held.clear()
            stamp = (number * CLOCK // self.rate + self.shift) & 0xFFFFFFFF
            units = self.units(number)
            if self.mode == "hold":
                held.append((stamp, units, number))
            elif self.mode == "go":
                self.broadcast(stamp, units, number)
            number += 1

    def units(self, number: int) -> list[bytes]:
        if self.picture:
            units = self.black[0] if self.picture == "black" else self.loop[0]
        else:
            units = self.loop[number % self.count]
        if self.corrupt > 0:
            self.corrupt -= 1
            units = [unit[:40] + bytes(len(unit) - 40) if len(unit) > 80 else unit for unit in units]
        return units

    def report(self, stamp: int, number: int) -> bytes:
        assert self.ahead_s is not None
        wall = NTP + self.wall_ns / 1e9 + number / self.rate + self.ahead_s
        whole = int(wall)
        return struct.pack(
            ">BBHIIIIII", 0x80, 200, 6, 0x50455243, whole, int((wall - whole) * 2**32), stamp, number, 0
        )

    def broadcast(self, stamp: int, units: list[bytes], number: int) -> None:
        for client in self.clients:
            if not client.playing:
                continue
            if self.cached and client.new:
                for earlier in range(max(0, number - number % self.gop - self.gop), number):
                    self.send(client, earlier * CLOCK // self.rate + self.shift, self.units(earlier), earlier)
            client.new = False
            self.send(client, stamp, units, number)

    def send(self, client: Client, stamp: int, units: list[bytes], number: int) -> None:
        stamp &= 0xFFFFFFFF
        if self.ahead_s is not None and time.monotonic() - client.reported > 1:
            client.report(self.udp, self.report(stamp, number))
        bodies = list(payloads(units, self.codec))
        for index, body in enumerate(bodies):
            client.sequence = (client.sequence + 1) & 0xFFFF
            if self.random.random() >= self.loss:
                ends = index == len(bodies) - 1
                marker = 0x80 if {"last": ends, "all": True, "none": False}[self.marks] else 0
                header = struct.pack(">BBHII", 0x80, marker | 96, client.sequence, stamp, 0x50455243)
                client.send(self.udp, header + body)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = Client(writer)
        self.clients.add(client)
        try:
            while request := await self.request(reader):
                answer = self.answer(client, *request)
                writer.write(answer.encode())
                client.playing |= request[0] == "PLAY" and answer.startswith("RTSP/1.0 200")
                if request[0] == "TEARDOWN":
                    break
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self.clients.discard(client)
            writer.close()

    async def request(self, reader: asyncio.StreamReader) -> tuple[str, str, dict[str, str]]:
        while (first := await reader.readexactly(1)) == b"$":  # the client's RTCP
            _, size = struct.unpack(">BH", await reader.readexactly(3))
            await reader.readexactly(size)
        text = (first + await reader.readuntil(b"\r\n\r\n")).decode()
        line, *lines = text.strip().split("\r\n")
        method, url, _ = line.split(" ")
        return method, url, {name.lower(): value.strip() for name, value in (h.split(":", 1) for h in lines)}

    def answer(self, client: Client, method: str, url: str, headers: dict[str, str]) -> str:
        status, extra, body = "200 OK", [f"CSeq: {headers.get('cseq', 0)}"], ""
        known = "Basic " + base64.b64encode(self.user.encode()).decode()
        if self.mode == "refuse":
            status = "503 Service Unavailable"
        elif self.user and method != "OPTIONS" and headers.get("authorization") != known:
            status = "401 Unauthorized"
            extra.append('WWW-Authenticate: Basic realm="camera"')
        elif method == "OPTIONS":
            extra.append("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER")
        elif "/stream" not in url:
            status = "404 Not Found"
        elif method == "DESCRIBE":
            extra += ["Content-Type: application/sdp", f"Content-Base: {url}/"]
            body = self.description()
        elif method == "SETUP":
            wanted = dict(part.partition("=")[::2] for part in headers["transport"].split(";"))
            if "interleaved" in wanted:
                client.channel = int(wanted["interleaved"].split("-")[0])
                extra.append(f"Transport: {headers['transport']}")
            else:
                host = client.writer.get_extra_info("peername")[0]
                client.address = (host, int(wanted["client_port"].split("-")[0]))
                mine = self.udp.getsockname()[1]
                extra.append(f"Transport: {headers['transport']};server_port={mine}-{mine + 1}")
        extra += ["Session: 1;timeout=60", f"Content-Length: {len(body)}"]
        return "\r\n".join((f"RTSP/1.0 {status}", *extra, "", body))

    def description(self) -> str:
        sets = ",".join(base64.b64encode(unit).decode() for unit in self.loop[0] if unit[0] & 0x1F in (7, 8))
        format = (
            f"packetization-mode=1;sprop-parameter-sets={sets}" if self.codec == "H264" else "tx-mode=SRST"
        )
        return "\r\n".join(
            (
                "v=0",
                "o=- 0 0 IN IP4 127.0.0.1",
                "s=camera",
                "c=IN IP4 0.0.0.0",
                "t=0 0",
                "m=video 0 RTP/AVP 96",
                f"a=rtpmap:96 {self.codec}/{CLOCK}",
                f"a=fmtp:96 {format}",
                "a=control:track1",
                "",
            )
        )

    def command(self, name: str, values: list[str]) -> None:  # noqa: PLR0912
        match name, values:
            case (("stall" | "refuse" | "hold"), []):
                self.mode = name
            case "go", []:
                self.mode, self.picture, self.loss = "go", "", 0.0
            case (("freeze" | "black"), []):
                self.picture = name
            case "corrupt", [count]:
                self.corrupt = int(count)
            case "lose", [share]:
                self.loss = float(share)
            case "jump", [seconds]:
                self.shift += round(float(seconds) * CLOCK)
            case "clock", [seconds]:
                self.ahead_s = float(seconds)
                for client in self.clients:
                    client.reported = 0.0
            case "size", [size]:
                self.resize(size)
            case "close", []:
                pass
            case _:
                raise SystemExit(f"no such command: {name} {values}")
        if name in ("close", "refuse"):
            for client in list(self.clients):
                client.writer.transport.abort()


async def serve(arguments: argparse.Namespace) -> None:
    camera = Camera(
        arguments.size,
        arguments.rate,
        arguments.gop,
        arguments.seconds,
        arguments.user,
        arguments.port,
        arguments.codec,
        arguments.marks,
    )
    camera.ahead_s, camera.cached = arguments.clock, arguments.cached
    server = await asyncio.start_server(camera.serve, "127.0.0.1", arguments.port)
    sending = asyncio.ensure_future(camera.run())
    await asyncio.sleep(0)
    port = server.sockets[0].getsockname()[1]
    login = f"{arguments.user}@" if arguments.user else ""
    tell(
        url=f"rtsp://{login}127.0.0.1:{port}/stream",
        port=port,
        start_ns=round(camera.start * 1e9),
        wall_ns=camera.wall_ns,
        rate=camera.rate,
        loop=camera.count,
    )
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()

    def hear() -> None:
        async def carry_out(name: str, values: list[str]) -> None:
            camera.command(name, values)

        obey(lambda name, values: asyncio.run_coroutine_threadsafe(carry_out(name, values), loop).result())
        loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=hear, daemon=True).start()
    await ended.wait()
    sending.cancel()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", default="640x384")
    parser.add_argument("--rate", type=int, default=30)
    parser.add_argument("--gop", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=4.0, help="of the loop")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--user", default="", help="name:password that clients must give")
    parser.add_argument("--codec", default="H264", choices=("H264", "H265"))
    parser.add_argument(
        "--marks",
        default="last",
        choices=("last", "all", "none"),
        help="packets of a picture with RTP's marker",
    )
    parser.add_argument("--clock", type=float, help="its wall clock, in s ahead of this computer's")
    parser.add_argument(
        "--cached", action="store_true", help="a client gets the pictures since the last key frame first"
    )
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
