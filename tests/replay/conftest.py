"""The options of the replay; give `tests/replay` on the command line, or pytest does not know them."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("replay")
    group.addoption("--update", action="store_true", help="rewrite the references of tests/replay")
    group.addoption(
        "--exact", action="store_true",
        help="tests/replay: no tolerance, on the machine that wrote the references",
    )  # fmt: skip


@pytest.fixture
def update(pytestconfig: pytest.Config) -> bool:
    return bool(pytestconfig.getoption("--update", default=False))


@pytest.fixture
def exact(pytestconfig: pytest.Config) -> bool:
    return bool(pytestconfig.getoption("--exact", default=False))
