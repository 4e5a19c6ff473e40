# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""The benchmark: what an answer costs, beside the tools that people use for it today."""
