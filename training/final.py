"""The last look at a trained model: what it is worth, and how far its answers may be trusted."""

from dataclasses import replace

import torch
from sklearn.metrics import confusion_matrix

from models.calibration import Calibration
from models.checkpoint import Checkpoint
from models.hardware import Hardware
from models.predict import TURNS, Prediction
from models.taxonomy import Taxonomy
from training.data import Data
from training.distributed import World, predict_together
from training.loop import score
from training.orientation import FREELY

# How many training pictures are looked at once more, to know what is unlike all of them.
REMEMBERED = 2000


def positions(data: Data, tta: bool) -> int:
    """Count the positions in which a model looks at a picture: with `tta` all that it learnt from equally, else one."""
    if not tta:
        return 1
    return TURNS if data.turn == FREELY else 2


def pictures_looked_at(data: Data) -> int:
    """Count the pictures that `calibrated` shows to the network."""
    return len(data.validate) + min(REMEMBERED, len(data.train))


def calibrated(checkpoint: Checkpoint, data: Data, hardware: Hardware, world: World) -> tuple[Checkpoint, Prediction]:
    """Give a model with its scores and calibration, and what it says of the validation pictures."""
    predictor = checkpoint.predictor(hardware)
    validate = predict_together(world, predictor, data.validate)
    known = data.train[:: max(1, -(-len(data.train) // REMEMBERED))]
    labels = data.validate.labels.cpu()
    taxonomy = Taxonomy.of(data.classes, data.lineages)
    features = predict_together(world, predictor, known).features
    calibration = Calibration.fit(taxonomy, validate, labels, features, known.labels.cpu())
    confusion = confusion_matrix(labels, validate.logits.argmax(1), labels=range(len(data.classes)))
    state = {**calibration.state(), "confusion": torch.from_numpy(confusion)}
    scores = {**checkpoint.scores, **score(validate.logits, labels)}
    return replace(checkpoint, calibration=state, scores=scores), validate
