"""The opset of an ONNX file, against the package that defines the format."""

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper

from perception.engines.onnx_file import opset
from tests.conftest import colour_graph


def model(*opsets: tuple[str, int]) -> bytes:
    graph = helper.make_graph([], "empty", [], [])
    imports = [helper.make_opsetid(domain, version) for domain, version in opsets]
    made = onnx.ModelProto(
        ir_version=9, producer_name="test", model_version=-1, graph=graph, opset_import=imports
    )
    return bytes(made.SerializeToString())


@given(st.integers(0, 2**40))
def test_the_opset_is_read(version: int) -> None:
    assert opset(model(("", version))) == version
    assert opset(model(("com.example", 3), ("", version))) == version


def test_a_real_graph_and_one_without() -> None:
    assert opset(colour_graph()) == 18
    assert opset(model()) is None
    assert opset(model(("com.example", 3))) is None
    assert opset(b"") is None


@given(st.binary(max_size=60))
def test_any_bytes_give_a_number_none_or_a_value_error(data: bytes) -> None:
    try:
        found = opset(data)
    except ValueError:
        return
    assert found is None or found >= 0


def test_a_file_that_was_cut_short_is_an_error() -> None:
    with pytest.raises(ValueError, match="truncated"):
        opset(colour_graph()[:-40])
