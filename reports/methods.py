"""Methods in words: a paragraph to paste into a paper, and model_card.md (Mitchell et al. 2019, FAT*)."""

import re
from collections.abc import Mapping
from typing import Any

import common
from common.dataset_info import SPLITS
from models.checkpoint import Checkpoint
from reports.provenance import NO_SOURCE, Provenance, toolkit_versions

CITATION = f"The authors of the Mikrotax classifier. Mikrotax classifier, version {common.__version__}."
SITE = (
    "For pictures of Mikrotax also the site, with the dates on which it was seen (CITATION.txt beside the records says "
    "how), and the sources of the pictures (sources.csv)."
)
GROUPS = {
    "specimen": "pictures of one specimen, and near-copies,",
    "sample": "pictures of one sample",
    "source": "pictures of one source",
    "folder": "pictures of one folder",
}
SHOWN_SOURCES = 5


def words(checkpoint: Checkpoint, summary: Mapping[str, Any], origin: Provenance) -> dict[str, Any]:
    """Return what the page says of the methods, by the names that its template uses."""
    splits = summary["splits"]
    return {
        "methods": methods_paragraph(checkpoint, summary, origin),
        "split_sentence": split_sentence(next(iter(splits.values())), origin),
        "epoch_sentences": [epoch_sentence(name, part["chose_the_epoch"]) for name, part in splits.items()],
        "versions": toolkit_versions(checkpoint),
        "citation": CITATION,
        "site": SITE,
    }


def methods_paragraph(checkpoint: Checkpoint, summary: Mapping[str, Any], origin: Provenance) -> str:
    """Return what a paper would say of the model, in one paragraph."""
    name, first = next(iter(summary["splits"].items()))
    sentences = [
        f"{summary['classes']} classes were told apart by {_network(checkpoint)}, on images of "
        f"{checkpoint.image_size} x {checkpoint.image_size} pixels.",
        _data(origin),
        split_sentence(first, origin),
        _training(checkpoint),
        f"Of {first['pictures']} pictures of {name}/ in {first['groups']} groups, {_percent(first['accuracy'])} were "
        f"recognised, with a balanced accuracy of {_percent(first['balanced_accuracy'])} and a macro-F1 of "
        f"{_number(first['macro_f1'])}; always answering with the commonest class would reach "
        f"{100 * first['majority']['value']:.1f} %.",
        epoch_sentence(name, first["chose_the_epoch"]),
        "Shares have Wilson's intervals of 95 %, other figures those of a bootstrap over groups. Probabilities were "
        "calibrated by temperature scaling (Guo et al. 2017), and sets of classes by conformal prediction; both were "
        "fitted on one half of the groups and measured on the other.",
        _software(checkpoint),
        f"Data set SHA-256 {origin.data_hash}." if origin.data_hash else "",
    ]
    return " ".join(filter(None, sentences))


def split_sentence(first: Mapping[str, Any], origin: Provenance) -> str:
    """Say how the pictures that were measured are kept apart from those that the model learnt from."""
    if first.get("learnt_from"):
        return "Some of the pictures that were measured are among those that the model learnt from."
    grouping = origin.beside.options.get("group_by", "") if origin.beside else ""
    if grouping in GROUPS:
        return f"In the split, {GROUPS[grouping]} stay together on one side."
    if first["groups"] == first["pictures"]:
        return "No groups are known, so pictures of one specimen may lie on both sides of the split."
    return "In the split, the pictures of a group stay together on one side."


def epoch_sentence(name: str, chose: bool | None) -> str:
    """Say whether the pictures whose figures are quoted chose the epoch that was kept."""
    if chose:
        return (
            f"The pictures of {name}/ also chose the epoch that was kept, so their figures may be slightly too good; "
            "pictures of test/ choose nothing."
        )
    if chose is None:
        return f"Whether the pictures of {name}/ chose the epoch that was kept is not known."
    return f"The pictures of {name}/ did not choose the epoch that was kept."


def model_card(checkpoint: Checkpoint, summary: Mapping[str, Any], origin: Provenance) -> str:
    """Return model_card.md."""
    return "\n".join(
        [
            f"# Model card: {_md(checkpoint.architecture)}, {summary['classes']} classes",
            "",
            *_card_model(checkpoint, origin),
            "## Intended use",
            "To name pictures of single specimens that come as the training pictures came: of the same taxa, ages, "
            "microscopes and preparation. It is no substitute for a specialist: look through its answers before you "
            "use its counts. It names whole pictures, and finds no specimens in a field of view.",
            "",
            *_card_data(checkpoint, origin),
            *_card_scores(summary, origin),
            "## Limits",
            "Pictures of taxa that it was not trained on are called “unknown” in part only. The intervals and the "
            "confidence hold for new pictures that come as those of validate/ came. Classes with few pictures have "
            "wide intervals (per_class.csv).",
            "",
            "## How to cite",
            f"{CITATION} {SITE}",
            "",
            "## Commands",
            "```",
            *origin.commands,
            "```",
            "",
        ]
    )


def _card_model(checkpoint: Checkpoint, origin: Provenance) -> list[str]:
    lines = [
        "## Model",
        f"- {_network(checkpoint)}; images of {checkpoint.image_size} x {checkpoint.image_size} pixels",
    ]
    lines += [f"- {_training(checkpoint)}"] if checkpoint.options else []
    lines += [f"- trained on {origin.trained}"] if origin.trained else []
    lines += [f"- {toolkit_versions(checkpoint)}"]
    lines += [f"- {name} {_md(number)}" for name, number in origin.model_libraries.items()]
    return [*lines, ""]


def _card_data(checkpoint: Checkpoint, origin: Provenance) -> list[str]:
    lines = ["## Data", _md(_data(origin)) or "Not known.", ""]
    lines += [f"Hash (SHA-256 of manifest.csv): {origin.data_hash}", ""] if origin.data_hash else []
    if origin.sources:
        lines += ["| source | pictures |", "|---|---|"]
        lines += [f"| {_md(source)} | {counts.total()} |" for source, counts in origin.sources.items()]
        lines.append("")
    return [*lines, f"Classes: {', '.join(_md(name) for name in checkpoint.classes)}", ""]


def _card_scores(summary: Mapping[str, Any], origin: Provenance) -> list[str]:
    rows = [
        f"| {_md(name)}/ | {part['pictures']} | {_percent(part['accuracy'])} | {_percent(part['balanced_accuracy'])} | "
        f"{_number(part['macro_f1'])} |"
        for name, part in summary["splits"].items()
    ]
    head = ["| pictures of | pictures | accuracy | balanced accuracy | macro-F1 |", "|---|---|---|---|---|"]
    said = [epoch_sentence(name, part["chose_the_epoch"]) for name, part in summary["splits"].items()]
    split = split_sentence(next(iter(summary["splits"].values())), origin)
    return ["## How good it is", "", *head, *rows, "", " ".join([split, *said]), ""]


def _network(checkpoint: Checkpoint) -> str:
    weights = checkpoint.options.get("weights")
    start = {"imagenet": ", pretrained on ImageNet", "none": ", from random weights", None: ""}
    return f"the network {checkpoint.architecture}{start.get(weights, ', from weights of another training')}"


def _data(origin: Provenance) -> str:
    images = origin.images
    if not images:
        return ""
    counts = ", ".join(f"{images[split]} in {split}/" for split in SPLITS if images[split])
    named = [source for source in origin.sources if source != NO_SOURCE]
    sources = f" from {len(named)} named source{'s' * (len(named) != 1)}" if named else ""
    shown = "; ".join(named[:SHOWN_SOURCES]) + ("; …" if len(named) > SHOWN_SOURCES else "")
    return f"The {images.total()} pictures ({counts}) come{sources}{f' ({shown})' if named else ''}.".replace(
        " come.", " name no source."
    )


def _training(checkpoint: Checkpoint) -> str:
    """Say how the network was trained, as far as the model file says."""
    options = checkpoint.options
    parts = [
        f"{options['epochs']} epochs at most" if options.get("epochs") else "",
        f"batches of {options['batch_size']} images" if options.get("batch_size") else "",
        f"a highest learning rate of {options['learning_rate']:g}" if options.get("learning_rate") else "",
        f"the seed {options['seed']}" if "seed" in options else "",
    ]
    told = ", ".join(filter(None, parts))
    kept = "the epoch with the most validation pictures right was kept"
    return f"It was trained with {told}; {kept}." if told else ""


def _software(checkpoint: Checkpoint) -> str:
    libraries = "".join(f", {name} {number}" for name, number in checkpoint.versions.items())
    return f"The software was Mikrotax classifier {checkpoint.toolkit or common.__version__}{libraries}."


def _percent(figure: Mapping[str, float]) -> str:
    return f"{100 * figure['value']:.1f} % ({100 * figure['low']:.1f} to {100 * figure['high']:.1f} %)"


def _number(figure: Mapping[str, float]) -> str:
    return f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"


def _md(text: str) -> str:
    """Return text that Markdown shows unchanged."""
    return re.sub(r"([\\`*_{}\[\]<>#|$])", r"\\\1", " ".join(text.split()))
