# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Mounts of the fleet, made and found again."""

from __future__ import annotations

import pathlib

from .command import run


def mount_points_below(place: pathlib.Path, mountinfo: str) -> list[pathlib.Path]:
    """Return the mount points at or below ``place``, the deepest first, from the text of /proc/self/mountinfo.

    >>> mount_points_below(pathlib.Path("/a"), "1 0 0:1 / /a rw - tmpfs t rw\\n2 1 0:2 / /a/b rw - tmpfs t rw")
    [PosixPath('/a/b'), PosixPath('/a')]
    """
    points = [pathlib.Path(line.split()[4]) for line in mountinfo.splitlines()]
    return [point for point in reversed(points) if point.is_relative_to(place)]


def unmount_below(place: pathlib.Path) -> None:
    """Unmount everything at or below ``place``; a crash may have left any of it."""
    for point in mount_points_below(place, pathlib.Path("/proc/self/mountinfo").read_text(encoding="utf-8")):
        run("umount", str(point))


def mount_overlay(lower: pathlib.Path, writable: pathlib.Path) -> pathlib.Path:
    """Return ``writable``/root: the tree ``lower`` with a throw-away layer on top of it."""
    for name in ("upper", "work", "root"):
        (writable / name).mkdir(parents=True)
    layers = f"lowerdir={lower},upperdir={writable / 'upper'},workdir={writable / 'work'}"
    run("mount", "-t", "overlay", "overlay", "-o", layers, str(writable / "root"))
    return writable / "root"
