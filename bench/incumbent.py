# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""``python -m bench.incumbent DIRECTORY``: unpack community.general from the wheel of ``ansible`` that lies there."""

import sys
import zipfile
from pathlib import Path

directory = Path(sys.argv[1])
(wheel,) = directory.glob("ansible-*.whl")
with zipfile.ZipFile(wheel) as archive:
    names = [name for name in archive.namelist() if name.startswith("ansible_collections/community/general/")]
    archive.extractall(directory, names)
wheel.unlink()
