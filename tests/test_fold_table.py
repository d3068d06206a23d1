"""MODEL.folds.csv comes back as it was written, whatever pictures and classes are called."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import ToolkitError
from common.files import in_one_line
from common.fold_table import COLUMNS, FoldRow, fold_table, read_fold_table, write_fold_table

NAMES = st.text(min_size=1, max_size=30).filter(lambda name: in_one_line(name).strip() == in_one_line(name))
ANSWERS = st.lists(st.tuples(NAMES, st.floats(0, 1)), min_size=1, max_size=5)


@pytest.mark.slow
@given(st.lists(st.tuples(NAMES, NAMES, st.integers(1, 9), ANSWERS, st.floats(0, 99)), min_size=1, max_size=4))
def test_rows_come_back(tmp_path_factory, cells):
    path = fold_table(tmp_path_factory.mktemp("table") / "model")
    assert path.name == "model.folds.csv"
    write_fold_table(path, [FoldRow(*names, fold, tuple(answers), far) for *names, fold, answers, far in cells])
    for row, (file, label, fold, answers, far) in zip(read_fold_table(path), cells, strict=True):
        assert (row.file, row.label, row.fold) == (in_one_line(file), in_one_line(label), fold)
        assert [name for name, _ in row.answers] == [in_one_line(name) for name, _ in answers]
        assert [share for _, share in row.answers] == pytest.approx([share for _, share in answers], abs=1e-8)
        assert row.ood_score == pytest.approx(far, abs=1e-8)


ROW = ",".join(COLUMNS) + "\nx,y,1,y,0.5" + 8 * ","
TEXTS = ["a,b\n1,2\n", "file,label,fold\nx,y,z\n", "", 'file,label,fold\n"x,y,1\n', f"{ROW},-1\n", f"{ROW},nan\n"]


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_no_table_is_refused(tmp_path, text):
    path = tmp_path / "model.folds.csv"
    path.write_text(text)
    with pytest.raises(ToolkitError, match="is no table of cross-validation"):
        read_fold_table(path)
