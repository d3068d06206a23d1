"""The last look at a trained model: what it is worth, and how far its answers may be trusted."""

from dataclasses import replace

import torch
from sklearn.metrics import confusion_matrix
from torch import Generator, Tensor

from evaluation.calibration import Calibration
from evaluation.ood import Familiarity
from evaluation.taxonomy import Taxonomy
from models.checkpoint import Checkpoint
from models.device import Hardware
from models.prediction import BATCH_SIZE, TURNS, Prediction, Predictor
from models.preprocessing import Store, augment, draw_changes
from training.data import Data
from training.distributed import World, predict_together
from training.loop import score
from training.orientation import FREELY

# How many training pictures are looked at once more, to know what is unlike all of them, in how many views, and how
# many views there are at most of all of them: each costs time.
REMEMBERED, VIEWS, LOOKS = 2000, 4, 4000


def positions(data: Data, tta: bool) -> int:
    """Count the positions in which a model looks at a picture: with `tta` all that it learnt from equally, else one."""
    if not tta:
        return 1
    return TURNS if data.turn == FREELY else 2


def pictures_looked_at(data: Data) -> int:
    """Count the pictures that `calibrated` shows to the network."""
    known, views = _remembered(data)
    return len(data.validate) + views * len(known)


def calibrated(checkpoint: Checkpoint, data: Data, hardware: Hardware, world: World) -> tuple[Checkpoint, Prediction]:
    """Return a model with its scores and calibration, and what it says of the validation pictures."""
    predictor = checkpoint.predictor(hardware)
    validate = predict_together(world, predictor, data.validate)
    labels = data.validate.labels.cpu()
    taxonomy = Taxonomy.of(data.classes, data.lineages)
    familiarity = Familiarity.fit(known_features(predictor, data, world), validate.features)
    calibration = Calibration.fit(taxonomy, validate, labels, familiarity)
    confusion = confusion_matrix(labels, validate.logits.argmax(1), labels=range(len(data.classes)))
    state = {**calibration.state(), "confusion": torch.from_numpy(confusion)}
    scores = {**checkpoint.scores, **score(validate.logits, labels)}
    return replace(checkpoint, calibration=state, scores=scores), validate


def known_features(predictor: Predictor, data: Data, world: World) -> Tensor:
    """Return what the last layer reads of training pictures, (views, m, d): as they stand, then as training changes them.

    Without the changed views a known picture in a new turn or light looks stranger than it is.
    """
    known, views = _remembered(data)
    generator = Generator().manual_seed(0)
    stores = (_changed(known, data.turn, generator) if view else known for view in range(views))
    return torch.stack([predict_together(world, predictor, store).features for store in stores])


def _remembered(data: Data) -> tuple[Store, int]:
    """Return the training pictures to look at, evenly spread over the classes, and in how many views."""
    known = data.train[:: -(-len(data.train) // REMEMBERED)]
    return known, min(VIEWS, LOOKS // len(known))


def _changed(store: Store, turn: float, generator: Generator) -> Store:
    """Return the same pictures, each changed as `augment` changes them, turned by up to `turn` radians."""
    changes = draw_changes(len(store), generator, turn)
    parts = zip(store.pictures.split(BATCH_SIZE), changes.split(BATCH_SIZE), strict=True)
    return replace(store, pictures=torch.cat([augment(*part).round().byte() for part in parts]))
