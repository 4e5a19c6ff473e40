# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Boots real test hosts on this machine (systemd, sshd, docker, real services) and removes every trace of them."""
