"""Running prepare_image_model.py in a test's own process, and reading what it wrote below tmp_path/set."""

import csv
import json
from pathlib import Path

import prepare_image_model as script
from common.manifest import ManifestRow, read_manifest


def prepare(*options) -> int:
    return script.main([str(option) for option in options])


def manifest(tmp_path: Path) -> list[ManifestRow]:
    return read_manifest(tmp_path / "set" / "manifest.csv")


def reasons(tmp_path: Path) -> dict[str, str]:
    with (tmp_path / "set" / "excluded.csv").open(encoding="utf-8", newline="") as table:
        return {row["picture"]: row["reason"] for row in csv.DictReader(table)}


def described(tmp_path: Path) -> dict:
    return json.loads((tmp_path / "set" / "dataset.json").read_text(encoding="utf-8"))
