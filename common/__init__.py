"""What all scripts share: command line, whole files, locks, images, and the three contracts on disk.

The contracts are the files by which the scripts pass on their work: records (`common.records`), manifest.csv
(`common.manifest`) and dataset.json (`common.dataset_info`). Each has one dataclass, one reader and one writer, here.
"""

__version__ = "1.0.0"
