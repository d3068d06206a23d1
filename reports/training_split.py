"""The training pictures that are shown beside others, if they are still there."""

from pathlib import Path

from common.errors import ToolkitError
from common.folders import list_images
from common.pages import Page
from evaluation.cross_fit import PredictedSplit
from reports.model import LoadedModel
from reports.splits import predict_split

SHOWN = 480  # training pictures of all classes that are looked at beside own pictures
FEWEST, MOST = 2, 12  # of a class


def predict_training(model: LoadedModel, validate: Path, page: Page) -> PredictedSplit | None:
    """Predict a few pictures of each class in the train/ beside a validation set; None where none fits the model."""
    directory = validate.resolve().parent / "train"
    if not directory.is_dir() or not list_images(directory).images:
        return None
    limit = min(MOST, max(FEWEST, SHOWN // len(model.checkpoint.classes)))
    try:
        return predict_split(model, directory, limit, page)
    except (ToolkitError, OSError):  # of other classes than the model's
        return None
