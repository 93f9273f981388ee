import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception.redact import masked, printable

MARK = "S3CR3T"  # in each secret, so that a part of one is found
ODD = "!$&'()*+,;=:@.~%[]{}|^\\`-_\"<>ä€"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtsp://admin:hunter2@cam/1", "rtsp://admin:***@cam/1"),
        ("rtsp://:hunter2@cam/1", "rtsp://:***@cam/1"),
        ("rtsp://admin:p@ss:w@cam:554/1", "rtsp://admin:***@cam:554/1"),
        ("rtsp://admin:pa/ss#w?@cam/1", "rtsp://admin:***@cam/1"),
        ("rtsp://admin:a%40b@[fe80::1%25eth0]:554/x", "rtsp://admin:***@[fe80::1%25eth0]:554/x"),
        ("sink web://0.0.0.0:8080?token=abc: refused", "sink web://0.0.0.0:8080?token=***: refused"),
        ("(see http://h/x#access_token=abc)", "(see http://h/x#access_token=***)"),
        ("source 'http://h/x?apikey=abc': gone", "source 'http://h/x?apikey=***': gone"),
        ("http://h/?a=1&PASSWORD=x&b=2#c", "http://h/?a=1&PASSWORD=***&b=2#c"),
        ("http://h/?pwd=x'y&pass=z", "http://h/?pwd=***&pass=***"),
        ("https://s3/x?X-Amz-Signature=ab12&X-Amz-Date=1", "https://s3/x?X-Amz-Signature=***&X-Amz-Date=1"),
        ("rtsp://h/user=admin&password=x&channel=1", "rtsp://h/user=admin&password=***&channel=1"),
        ("rtsp://h/user=admin_password=x_channel=1.sdp", "rtsp://h/user=admin_password=***"),
        ("gst:rtspsrc location=rtsp://h/1 user-id=a user-pw=x ! decodebin",
         "gst:rtspsrc location=rtsp://h/1 user-id=a user-pw=*** ! decodebin"),
        ("http://h/?to=rtsp%3A%2F%2Fu%3Ap%40w%40cam%2F1&x=1", "http://h/?to=rtsp%3A%2F%2Fu%3A***%40cam%2F1&x=1"),
        ("http://h/?to=http%3a%2f%2fh%2f%3ftoken%3dabc%26x%3d1", "http://h/?to=http%3a%2f%2fh%2f%3ftoken%3d***%26x%3d1"),
        ("http://h/cgi?user=a&psw=x&p=y&sig=z&pw=1", "http://h/cgi?user=a&psw=***&p=***&sig=***&pw=***"),
        ("http://h/snap.cgi?loginuse=admin&loginpas=x", "http://h/snap.cgi?loginuse=admin&loginpas=***"),
        ("http://h/?usr=a&userpw=x&passphrase=y&credentials=z", "http://h/?usr=a&userpw=***&passphrase=***&credentials=***"),
        ("source admin:hunter2@10.0.0.7/1: no such file", "source admin:***@10.0.0.7/1: no such file"),
        ("'admin:hunter2@cam.local:554'", "'admin:***@cam.local:554'"),
        ("rtsp:/admin:hunter2@10.0.0.7/1", "rtsp:/admin:***@10.0.0.7/1"),
        ("rtsp://u:p@h/1,rtsp://v:q@h/2 and rtsp://w:r@h", "rtsp://u:***@h/1,rtsp://v:***@h/2 and rtsp://w:***@h"),
    ],
)  # fmt: skip
def test_secrets_are_not_shown(text: str, shown: str) -> None:
    assert masked(text) == shown
    assert masked(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "rtsp://admin@cam/1",
        "http://cam:8080/@main",
        "http://cam:8080?mail=me@x.org",
        "http://cam:/a@b",
        "rtsp://[fe80::1]:554/a@b",
        "udp://@239.0.0.1:1234",
        "web://127.0.0.1:8080",
        "write to me@x.org: the key=value pairs at http://h/ are the author's",
        "http://h/?monkeys=3&keys=4&tokens=5",
        "drives/out.mp4?minutes=10&keep=20GB",
        "sim:?seed=3&size=1280x720",
        "12:03:04 WARN  front: a:b@c",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert masked(text) == text


secrets = st.tuples(*2 * [st.text(string.ascii_letters + string.digits + ODD, max_size=8)]).map(MARK.join)
# In a query each character that would end the value, or the sentence around it, is escaped.
encoded = st.tuples(*2 * [st.text(string.ascii_letters + string.digits + "%-_~+/=@", max_size=8)]).map(
    MARK.join
)
names = st.text(string.ascii_lowercase, min_size=1, max_size=6)
hosts = st.sampled_from(["cam", "10.0.0.7", "[fe80::1]", "[::ffff:10.0.0.7]", "cam.example.org", "cam-1"])
ports = st.sampled_from(["", ":554", ":8080"])
paths = st.lists(names | st.just("@x") | st.just("a:b"), max_size=3).map(
    lambda parts: "".join("/" + one for one in parts)
)
tokens = st.sampled_from(
    ["token", "password", "passwd", "api_key", "access-token", "AUTH", "client_secret", "pwd"]
)


@st.composite
def uris(draw: st.DrawFn) -> tuple[str, str]:
    """A URI with secrets here and there, and how it should be shown."""
    uri = shown = draw(st.sampled_from(["rtsp://", "http://", "https://", "udp://", "web://"]))
    if draw(st.booleans()):
        user, password = draw(names), draw(secrets)
        uri, shown = f"{uri}{user}:{password}@", f"{shown}{user}:***@"
    place = draw(hosts) + draw(ports) + draw(paths)
    uri, shown = uri + place, shown + place
    for separator in draw(st.sampled_from(["", "?", "?&", "?&&", "?#", "#"])):
        if draw(st.booleans()):
            name, value = draw(tokens), draw(encoded)
            uri, shown = f"{uri}{separator}{name}={value}", f"{shown}{separator}{name}=***"
        else:
            plain = f"{separator}{draw(st.sampled_from(['size', 'keys', 'monkey_', 'x']))}={draw(names)}"
            uri, shown = uri + plain, shown + plain
    return uri, shown


@given(
    st.lists(uris(), min_size=1, max_size=3),
    st.sampled_from([" ", ", ", "\n", " -> ", "' and '", ") or (", '", "', ">, <", ": "]),
    st.sampled_from([("", ""), ("source ", ": refused"), ("('", "')"), ('{"uri": "', '"}'), ("<", ">.")]),
)
def test_all_secrets_and_nothing_else(
    several: list[tuple[str, str]], between: str, around: tuple[str, str]
) -> None:
    text = between.join(uri for uri, _ in several).join(around)
    shown = between.join(shown for _, shown in several).join(around)
    assert masked(text) == shown
    assert masked(shown) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[2Jb", r"a\x1b[2Jb"),
        ("one\ntwo\r\tthree\x00", r"one\ntwo\r\tthree\x00"),
        ("\x9b31m\x7f", r"\x9b31m\x7f"),
        ("evil\u202egpj.exe\u2066\u200e\u2028", r"evil\u202egpj.exe\u2066\u200e\u2028"),
        ("\udcff", r"\udcff"),
        ("Straße 日本 👩‍🚗 é × …", "Straße 日本 👩‍🚗 é × …"),
    ],
)
def test_what_leads_a_terminal_is_written_out(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert printable(shown) == shown


@given(st.text(st.characters(exclude_categories=())))
def test_every_text_can_be_shown(text: str) -> None:
    shown = printable(text)
    assert len(shown.splitlines()) <= 1
    assert "\x1b" not in shown
    assert shown.encode().decode() == shown
    assert printable(shown) == shown


@given(st.text())
def test_text_without_a_uri_stays(text: str) -> None:
    if not any(sign in text for sign in ("://", "=", "%3", "@")):
        assert masked(text) == text
    assert masked(masked(text)) == masked(text)


@pytest.mark.timeout(5)
def test_long_texts_take_no_time() -> None:
    """Patterns that try all ways would take for ever."""
    for part in ("://a:", "://a:b/", "?token=", "%3a%2f%2fa%3a", "@", "passw", "?atoken", "user-pw=')"):
        masked(part * 20_000)
