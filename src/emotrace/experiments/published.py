"""What was published on RECOLA, speech alone: to stand beside a table of another corpus, never in its columns.

Khorram et al. (2017), tables 1 and 2; their RMSE and CCC of the development and the test part. A figure that they do
not report is None.
"""

from collections.abc import Mapping

Figures = tuple[float | None, float | None, float | None, float | None]
"""Development RMSE and CCC, test RMSE and CCC."""

RECOLA: Mapping[str, Mapping[str, Figures]] = {
    "arousal": {
        "avec2016": (None, 0.796, None, 0.648),
        "brady": (0.107, 0.846, None, None),
        "povolny": (0.114, 0.832, 0.141, 0.682),
        "blstm": (0.103, 0.853, 0.143, 0.664),
        "dilated": (0.102, 0.857, 0.137, 0.684),
        "downup": (0.100, 0.867, 0.137, 0.681),
    },
    "valence": {
        "avec2016": (None, 0.455, None, 0.375),
        "brady": (0.132, 0.450, None, None),
        "povolny": (0.142, 0.489, 0.355, 0.349),
        "blstm": (0.113, 0.518, 0.116, 0.499),
        "dilated": (0.117, 0.538, 0.121, 0.486),
        "downup": (0.107, 0.592, 0.117, 0.502),
    },
}
