import io
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from perception.app import cli
from perception.app.bench import side_by_side as measuring
from perception.app.bench.plot import check_plot, draw, save
from perception.app.bench.side_by_side import compare, parse_size
from perception.app.bench.variants import Comparison, Quartiles
from perception.bundle.bundle import Bundle
from perception.engines.base import OnBuild
from perception.engines.registry import ENGINES
from perception.errors import BundleError, ConfigError, EngineError, SinkError
from tests import graphs
from tests.conftest import write_colour_bundle

RUNNER = CliRunner(env={"COLUMNS": "200"})


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("drive")
    rng = np.random.default_rng(0)
    for index in range(2):
        cv2.imwrite(
            str(folder / f"{index}.png"), cv2.blur(rng.integers(0, 256, (48, 80, 3), np.uint8), (5, 5))
        )
    return str(folder)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory, drive: str) -> Comparison:
    """Eight variants."""
    bundle = write_colour_bundle(tmp_path_factory.mktemp("model"), pixels=64 * 96, golden_int8=0)
    return compare(
        bundle.folder,
        ["onnx-cpu-int8", "onnx-cpu"],
        drive,
        frames=3,
        sizes=[(48, 80), (64, 64)],
        cameras=[1, 2],
    )


def printed(comparison: Comparison, width: int = 200) -> str:
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(comparison.table())
    return console.export_text()


def test_every_combination_is_measured_once(found: Comparison) -> None:
    assert [(one.engine, one.precision, one.frame, one.input, one.cameras) for one in found.variants] == [
        (engine, precision, frame, seen, cameras)
        for engine, precision in (("onnx-cpu-int8", "int8"), ("onnx-cpu", "float32"))
        for frame, seen in (((48, 80), (64, 96)), ((64, 64), (64, 64)))
        for cameras in (1, 2)
    ]
    assert {one.threads for one in found.variants} == {1}
    assert found.varied == ["size", "cameras"]
    assert found.model == "colour 1"


def test_figures_follow_from_the_medians(found: Comparison) -> None:
    slowest_network = min(one.network_fps for one in found.variants)
    slowest_perceive = min(one.perceive_fps for one in found.variants)
    for one in found.variants:
        assert one.network_ratio == one.network_fps / slowest_network >= 1
        assert one.perceive_ratio == one.perceive_fps / slowest_perceive >= 1
        assert one.perceive_fps_per_camera * one.cameras == pytest.approx(one.perceive_fps)
        assert one.overhead_ms == one.perceive_ms.median - one.network_ms.median
        for times in (one.network_ms, one.perceive_ms):
            assert 0 < times.lower <= times.median <= times.upper
        assert one.open_ms > one.perceive_ms.lower
        # No camera can have more than a frame at a time in work.
        assert one.perceive_fps < 1000 * one.cameras / one.perceive_ms.lower * 2


def test_the_table_tells_what_the_json_tells(found: Comparison) -> None:
    values = json.loads(json.dumps(found.as_json()))["variants"]
    lines = [[cell.strip() for cell in line.split("│")[1:-1]] for line in printed(found).splitlines()]
    rows = [line for line in lines if line and line[0] in ENGINES]
    groups = [values[index::4] for index in range(4)]  # those at the same size and number of cameras
    for size, cameras in (("80×48", 1), ("80×48", 2), ("64×64", 1), ("64×64", 2)):
        assert f"ms a frame; size {size}, cameras {cameras}" in printed(found)
    expected = []
    for group in groups:
        for one in group:
            quartiles = (str(Quartiles(**one[name])) for name in ("network_ms", "perceive_ms"))
            expected.append([one["engine"], *quartiles, f"{one['overhead_ms']:.2f}"])
        for one in group:
            rates = (
                f"{one[f'{name}_fps']:.1f} ×{one[f'{name}_ratio']:.2f}" for name in ("network", "perceive")
            )
            expected.append([one["engine"], *rates, f"{one['perceive_fps_per_camera']:.1f}"])
        expected += [[one["engine"], f"{one['agreement']:.2%}", f"{one['open_ms']:.0f}"] for one in group]
    assert rows == expected


def test_quartiles_are_those_of_the_values() -> None:
    assert Quartiles.of([4.0, 1.0, 2.0, 3.0, 5.0]) == Quartiles(2, 3, 4)
    assert str(Quartiles(9.5, 12.346, 1150)) == "12.3 (9.5–1150)"


def test_tables_fit_a_terminal_of_80_columns_without_breaking_words(found: Comparison) -> None:
    wide = Quartiles(0.123, 0.124, 0.125)
    longest = max(ENGINES, key=len)
    variants = tuple(
        replace(one, engine=longest, network_ms=wide, perceive_ms=wide) for one in found.variants
    )
    text = printed(replace(found, variants=variants, reference=longest), width=80)
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    assert sum(f"│ {longest} │" in line for line in text.splitlines()) == 3 * len(variants)
    assert text.count(f"{wide} │ {wide} │") == len(variants)


def test_engines_that_cannot_run_are_told_of(
    colour_bundle: Bundle, drive: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = ("onnx-cuda", "onnx-cpu-int8", "onnx-cpu")  # loading torch and all the others takes long
    monkeypatch.setattr(measuring, "ENGINES", few)
    comparison = compare(colour_bundle.folder, (), drive, frames=1)
    ran = [one.engine for one in comparison.variants]
    assert "onnx-cpu" in ran
    assert sorted([*ran, *comparison.not_run]) == sorted(few)
    assert "colour" in comparison.not_run["onnx-cpu-int8"]  # the bundle, which has no such graph
    text = printed(comparison, width=2000)
    for engine, why in comparison.not_run.items():
        assert any(engine in line and why in line for line in text.splitlines())
    assert comparison.as_json()["not_run"] == comparison.not_run


def test_named_engines_must_run(colour_bundle: Bundle, drive: str, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="onnx-cpu-int8"):
        compare(colour_bundle.folder, ["onnx-cpu", "onnx-cpu-int8"], drive)
    with pytest.raises(EngineError, match="'tpu' is not known"):
        compare(colour_bundle.folder, ["tpu"], drive)
    with pytest.raises(ConfigError, match=r"auto: .* leave --engine out"):
        compare(colour_bundle.folder, ["auto"], drive)
    wrong = write_colour_bundle(tmp_path, golden_int8=1)
    with pytest.raises(BundleError, match=r"onnx-cpu-int8 reproduces 0\.00%"):
        compare(wrong.folder, ["onnx-cpu-int8"], drive)


def test_who_waits_for_a_build_is_told(
    colour_bundle: Bundle, drive: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def build(bundle: Bundle, engine: str, threads: int, on_build: OnBuild) -> None:
        on_build(f"{engine} with {threads} threads", 0.5)

    monkeypatch.setattr(measuring, "open_engine", build)
    told: list[tuple[str, float]] = []
    compare(colour_bundle.folder, ["onnx-cpu"], drive, frames=1, on_build=lambda *news: told.append(news))
    assert told == [("onnx-cpu with 1 threads", 0.5)]


def test_nothing_that_runs_is_an_error(
    colour_bundle: Bundle, drive: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "ENGINES", ("onnx-cpu-int8",))
    with pytest.raises(EngineError, match=r"no engine can run here: .*onnx-cpu-int8"):
        compare(colour_bundle.folder, (), drive)


def test_agreement_is_the_share_of_equal_labels(colour_bundle: Bundle) -> None:
    outputs = colour_bundle.info.outputs
    truth = {"labels": np.arange(8, dtype=np.uint8).reshape(2, 4)}
    other = {"labels": truth["labels"].copy()}
    other["labels"][0, :2] = 200  # two of sixteen
    assert measuring._agreement(outputs, [truth, other], [truth, truth]) == 14 / 16


def test_agreement_without_labels_is_that_of_the_worst_output(tmp_path: Path) -> None:
    outputs = graphs.measured(tmp_path).info.outputs  # depth and latent, to 1e-4
    truth = {"depth": np.ones((2, 4), np.float32), "latent": np.ones(4, np.float32)}
    near = {name: values + np.float32(5e-5) for name, values in truth.items()}
    assert measuring._agreement(outputs, [near], [truth]) == 1
    near["latent"][0] = 1.1
    assert measuring._agreement(outputs, [near], [truth]) == 0.75


def test_without_the_reference_there_is_no_agreement(
    colour_bundle: Bundle, drive: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "REFERENCE", "onnx-cpu-int8")  # which this bundle has no graph for
    comparison = compare(colour_bundle.folder, ["onnx-cpu"], drive, frames=1)
    assert comparison.variants[0].agreement is None
    assert list(comparison.not_run) == ["onnx-cpu-int8"]
    assert draw(comparison).axes[1].texts[0].get_text() == "×1.00"


def test_the_plot_has_a_bar_for_each_variant(found: Comparison, tmp_path: Path) -> None:
    times, rates = draw(found).axes
    network, embedding = [one.network_ms.median for one in found.variants], times.lines[-1].get_xdata()
    assert [bar.get_width() for bar in times.patches] == network
    assert [bar.get_width() for bar in rates.patches] == [one.perceive_fps for one in found.variants]
    assert list(embedding) == [one.perceive_ms.median for one in found.variants]
    labels = [label.get_text() for label in times.get_yticklabels()]
    assert labels[1] == "onnx-cpu-int8 · size 80×48 · cameras 2"
    save(found, tmp_path / "found.png")
    picture = cv2.imread(str(tmp_path / "found.png"))
    assert picture is not None and picture.std() > 10


def test_a_plot_that_cannot_be_written_is_refused(found: Comparison, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none of the endings .*png"):
        check_plot(tmp_path / "plot.xyz")
    with pytest.raises(ConfigError, match="does not exist"):
        check_plot(tmp_path / "absent" / "plot.png")
    with pytest.raises(SinkError, match="cannot be written: Is a directory"):
        (tmp_path / "folder.png").mkdir()
        save(found, tmp_path / "folder.png")


def test_a_missing_matplotlib_is_named_with_the_extra_that_brings_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.startswith("matplotlib")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr(sys, "argv", ["perception", "bench", "--compare", "--plot", "plot.png"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert (
        "needs matplotlib, which is not installed: install perception with its extra [train]"
        in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    "text", ["", "1280", "1280x", "x720", "0x720", "1280x720x3", "-1x5", "9000x10", "½x2"]
)
def test_a_size_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is not WIDTHxHEIGHT with sides of 1 to 8192"):
        parse_size(text)
    assert parse_size("1280x720") == (720, 1280)


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["--size", "80x48"], "--size"),
        (["--threads", "0"], "--threads"),
        (["--cameras", "1", "--plot", "p.png"], "--cameras, --plot"),
        (["--engine", "onnx-cpu", "--engine", "onnx-cuda"], "several --engine"),
    ],
)
def test_what_only_a_comparison_has_is_refused_without_it(flags: list[str], named: str) -> None:
    result = RUNNER.invoke(cli.app, ["bench", *flags])
    assert isinstance(result.exception, ConfigError)
    assert str(result.exception).startswith(f"{named}: only with --compare; add it")


def test_the_command_prints_json_and_draws(colour_bundle: Bundle, drive: str, tmp_path: Path) -> None:
    plot = tmp_path / "plot.svg"
    arguments: list[Any] = ["bench", drive, "--compare", "--model", colour_bundle.folder, "--frames", 1]
    arguments += ["--engine", "onnx-cpu", "--threads", 1, "--threads", 2, "--size", "160x96", "--plot", plot]
    result = RUNNER.invoke(cli.app, [*map(str, arguments), "--json"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert [(one["threads"], one["frame"]) for one in told["variants"]] == [(1, [96, 160]), (2, [96, 160])]
    assert [one["agreement"] for one in told["variants"]] == [1, 1]
    assert "<svg" in plot.read_text()
