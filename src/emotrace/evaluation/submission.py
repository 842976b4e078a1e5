"""Predictions of a test part as AVEC 2016's challenge takes them: ``arousal/test_1.arff``, ``valence/test_1.arff``, ...

The challenge's guidelines that are still public leave the files' layout open; those of its later editions ask for that
of the labels. So a file here is as the distributed gold standards are: ARFF, nine lines of header, the attributes
``Instance_name``, ``frameTime`` in seconds and the value, a row every 40 ms, the instant at which the recording ends
included (7501 rows for 300 s). That last row repeats the last frame's value.
"""

from pathlib import Path

import numpy as np

from emotrace.errors import CorpusError
from emotrace.evaluation.corpus import Evaluation
from emotrace.output import write_atomically
from emotrace.trace import FRAME_S

_HEADER = """@relation PREDICTION

@attribute Instance_name string
@attribute frameTime numeric
@attribute prediction numeric

@data


"""


def write(evaluation: Evaluation, folder: Path, *, force: bool = False) -> list[Path]:
    """Write every test recording's traces, moved later by the lag as they would be scored.

    Args:
        evaluation: of a corpus with a test partition.
        folder: where to, made if absent.
        force: replace files that are there.

    Returns:
        The files.

    Raises:
        CorpusError: the corpus has no test recording with sound, or one that cannot be predicted: nothing is written.
        EmotraceError: a file exists and ``force`` is not given, or cannot be written.
    """
    if lost := [each.id for each in evaluation.failed if each.partition == "test" and not each.predicted]:
        raise CorpusError(
            f"{folder}: not written, since a submission holds all test recordings and {', '.join(lost)} cannot be "
            "predicted; mend what emotrace check tells of"
        )
    test = [heard for heard in evaluation.heard if heard.partition == "test"]
    if not test:
        raise CorpusError("a submission holds the test recordings, and none of these is in a test partition")
    written = []
    for target in evaluation.targets:
        for heard in test:
            path = Path(folder) / target / f"{heard.id}.arff"
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(path, heard.id, evaluation.moved(heard, target), force)
            written.append(path)
    return written


def _write(path: Path, name: str, values: np.ndarray, force: bool) -> None:
    ended = [*values.tolist(), float(values[-1])]
    rows = [f"{name},{index * FRAME_S:.2f},{value:.6f}\n" for index, value in enumerate(ended)]
    write_atomically(path, lambda file: file.writelines([_HEADER, *rows]), force=force)
