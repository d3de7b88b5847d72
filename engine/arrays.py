"""Names the kinds of arrays that the engine passes on."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]
"""Token ids `[tokens]`."""

Feeds: TypeAlias = dict[str, NDArray[Any]]
"""What a graph is given for one run, by the names of its inputs."""
