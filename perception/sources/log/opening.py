"""Opens a recording by what it is called."""

from pathlib import Path

from perception.errors import ConfigError, SourceError
from perception.extras import explain
from perception.sources.log.base import METADATA, Log


def open_log(path: Path) -> Log:
    """A folder is a bag of ROS 2, a file what its suffix says: .mcap, .db3 (ROS 2) or .bag (ROS 1).

    Raises:
        SourceError: it cannot be read.
        ConfigError: it is none of these, or the extra that reads it is not installed.
    """
    # Imported here: each needs packages of an extra.
    try:
        if (path / METADATA).is_file():
            from perception.sources.log.ros2_bag import Ros2Bag  # noqa: PLC0415

            return Ros2Bag(path)
        match path.suffix.lower():
            case ".mcap":
                from perception.sources.log.mcap_file import McapFile  # noqa: PLC0415

                return McapFile(path)
            case ".db3":
                from perception.sources.log.db3_file import Db3File  # noqa: PLC0415

                return Db3File(path)
            case ".bag":
                from perception.sources.log.ros1_bag import Ros1Bag  # noqa: PLC0415

                return Ros1Bag(path)
    except ModuleNotFoundError as error:
        raise ConfigError(explain(error, f"source {path}")) from error
    except SourceError as error:
        said = str(error).removeprefix(f"{path.name}: ").removeprefix(f"{path.name} ")
        raise SourceError(f"source {path}: {said}") from error
    raise ConfigError(
        f"{path} is no recording of messages; give a folder with metadata.yaml, .mcap, .db3 or .bag"
    )
