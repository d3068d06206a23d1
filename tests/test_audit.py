"""The audit finds what should not be: copies, near-duplicates and groups in two splits, and files that no list has."""

from dataclasses import asdict

import pytest
from PIL import Image

from common.errors import ToolkitError
from common.manifest import ManifestRow, write_manifest
from dataset.audit import audit
from tests.drawn import picture


@pytest.fixture
def lay_out(tmp_path):
    """A function that writes drawn pictures at paths, with a manifest that gives each its path as its group."""

    def lay_out(images, **group_of):
        for path, image in images.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            image.save(tmp_path / path)
        write_manifest(
            tmp_path / "manifest.csv", [ManifestRow(path, group=group_of.get(path[-5], path)) for path in images]
        )
        return tmp_path

    return lay_out


PATHS = {"train/A/a.png": picture(0), "train/A/b.png": picture(1), "validate/A/c.png": picture(2)}


def test_a_sound_data_set_has_no_leaks(lay_out):
    result = audit(lay_out(PATHS))
    assert result.leaks == 0
    assert asdict(result) == {
        "pictures": 3,
        "identical_bytes_across_splits": 0,
        "near_duplicates_across_splits": 0,
        "groups_across_splits": 0,
        "share": {"A": {"train": 0.6667, "validate": 0.3333}},
    }


def test_a_copy_in_two_splits_is_found(lay_out):
    result = audit(lay_out(PATHS | {"validate/A/c.png": picture(0)}))
    assert result.identical_bytes_across_splits == result.near_duplicates_across_splits == 1


def test_a_rotated_copy_in_two_splits_is_found(lay_out):
    result = audit(lay_out(PATHS | {"validate/A/c.png": picture(1).transpose(Image.Transpose.ROTATE_270)}))
    assert (result.identical_bytes_across_splits, result.near_duplicates_across_splits) == (0, 1)
    assert result.leaks == 1


def test_a_copy_in_one_split_is_no_leak(lay_out):
    assert audit(lay_out(PATHS | {"train/A/b.png": picture(0)})).leaks == 0


def test_a_group_in_two_splits_is_found(lay_out):
    result = audit(lay_out(PATHS, b="same", c="same"))
    assert (result.groups_across_splits, result.leaks) == (1, 1)


def test_a_picture_that_the_manifest_lacks_is_an_error_and_so_is_one_that_is_gone(lay_out):
    top = lay_out(PATHS)
    picture(3).save(top / "test.png")  # beside the splits: not part of them
    assert audit(top).pictures == 3
    picture(3).save(top / "train" / "A" / "more.png")
    with pytest.raises(ToolkitError, match="other pictures"):
        audit(top)
    (top / "train" / "A" / "more.png").unlink()
    (top / "train" / "A" / "a.png").unlink()
    with pytest.raises(ToolkitError, match="other pictures"):
        audit(top)


def test_a_picture_that_cannot_be_read_is_named(lay_out):
    top = lay_out(PATHS)
    (top / "train" / "A" / "b.png").write_bytes(b"nothing")
    with pytest.raises(ToolkitError, match=r"could not read train/A/b\.png: corrupt"):
        audit(top)
