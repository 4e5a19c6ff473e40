# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who is who on a host, and how a second process of ours becomes somebody."""

from __future__ import annotations

import os

from .errors import InvalidInput
from .reading import translate

_NO_USER = (1 << 32) - 1  # chown(2): leave it as it is
_NO_GROUP = 65534  # what Linux calls nogroup or nobody


class Users:
    """The users whom this machine knows (nsswitch.conf(5))."""

    def user_name(self, uid: int) -> str | None:
        """Return the login name of a uid, or None where there is none."""
        import pwd

        try:
            return pwd.getpwuid(uid).pw_name
        except KeyError:
            return None

    def user_id(self, user: str) -> int:
        """Return the uid of a login name, or of a uid as text. Raises InvalidInput for anybody not known here."""
        import pwd

        if user.isascii() and user.isdigit() and int(user) < _NO_USER:
            return int(user)
        try:
            return pwd.getpwnam(user).pw_uid
        except (KeyError, ValueError) as error:
            raise InvalidInput("user %r is not on this host: accepted is a login name or a uid" % user) from error

    def become(self, uid: int) -> None:
        """Be a user for good, in all its groups and without any right of another one (credentials(7)).

        There is no way back: this is for a second process. Raises NotPermitted for who may not.
        """
        if os.getresuid() == (uid, uid, uid):
            return
        import pwd

        try:
            known = pwd.getpwuid(uid)
            group, groups = known.pw_gid, os.getgrouplist(known.pw_name, known.pw_gid)
        except KeyError:
            group, groups = _NO_GROUP, []
        try:
            os.setgroups(groups)
            os.setresgid(group, group, group)
            os.setresuid(uid, uid, uid)
        except OSError as error:
            translate(error, "to become uid %d" % uid)
