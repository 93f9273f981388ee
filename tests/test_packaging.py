"""What is installed: the wheel's files, and an editable install next to folders of any name."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("hatchling", reason="the build backend is not installed")

ROOT = Path(__file__).parents[1]
PACKAGES = ("perception", "export", "calibration")


def build(folder: Path, target: str, to: Path) -> Path:
    """The wheel that the backend makes of the project in `folder`, as pip would have it made."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(to)]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=240)
    [wheel] = to.glob("front_camera_perception-*.whl")
    return wheel


@pytest.mark.skipif(shutil.which("git") is None or not (ROOT / ".git").exists(), reason="not a git clone")
def test_the_wheel_holds_the_projects_packages_and_nothing_else(tmp_path: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *PACKAGES],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    expected = {name for name in listed if (ROOT / name).exists()}
    with zipfile.ZipFile(build(ROOT, "wheel", tmp_path)) as wheel:
        names = set(wheel.namelist())
    metadata = {name for name in names if name.startswith("front_camera_perception-")}
    assert names - metadata == expected
    assert {"perception/py.typed", "perception/models/drive/model.onnx", "export/command.py"} <= names
    assert {name.partition("/")[2] for name in metadata} == {
        "METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE",
    }  # fmt: skip


def test_an_editable_install_works_next_to_the_clones_own_folder(tmp_path: Path) -> None:
    """`git clone …/perception`: to Python that folder is a candidate for a namespace package of this name."""
    clone, site = tmp_path / "perception", tmp_path / "site"
    for name in PACKAGES:
        shutil.copytree(ROOT / name, clone / name, ignore=shutil.ignore_patterns("models", "__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, clone)
    with zipfile.ZipFile(build(clone, "wheel:editable", tmp_path)) as wheel:
        wheel.extractall(site)
    # -S: without this interpreter's own site-packages, which may hold an editable install, too.
    code = "import perception; print(perception.__file__)"
    command = [sys.executable, "-E", "-S", "-c"]
    alone = subprocess.run([*command, code], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert alone.stdout.strip() == "None"  # the folder is taken for the package where nothing is installed
    code = f"import site; site.addsitedir({str(site)!r}); {code}"
    installed = subprocess.run([*command, code], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert Path(installed.stdout.strip()) == clone / "perception" / "__init__.py"
