# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""In an actor: memory that is there until ``forget`` is called; whoever reads it from then on waits for ever.

``forget`` maps a file of a filesystem in user space over it, which answers everything but to be read, until
``answering`` is killed. ``refused`` asks for the address that lies there.
"""

import ctypes
import mmap
import os
import socket
import struct

LOOKUP_ETC = {
    3: struct.pack("QII6Q10I", 1000, 0, 0, 1, 4096, 8, 0, 0, 0, 0, 0, 0, 0o100644, 1, 0, 0, 0, 4096, 0),  # GETATTR
    14: struct.pack("QII", 1, 0, 0),  # OPEN
    26: struct.pack("IIIIHHIIHH8I", 7, 31, 0, 0, 0, 0, 4096, 1, 0, 0, *[0] * 8),  # INIT
}
READ, SILENT, UNKNOWN = 15, (2, 15, 36), -38  # FORGET, READ and INTERRUPT get no answer; ENOSYS
MAP_PRIVATE_FIXED = 0x12

libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]

point = os.environ["UNANSWERED"]  # a file over which it is mounted
device = os.open("/dev/fuse", os.O_RDWR)
options = f"fd={device},rootmode=100000,user_id=0,group_id=0"
assert libc.mount(b"fuse", point.encode(), b"fuse", 0, options.encode()) == 0, ctypes.get_errno()
answering = os.fork()
if answering == 0:
    while True:
        request = os.read(device, 1 << 20)
        _length, operation, number, _node = struct.unpack_from("IIQQ", request)
        if operation not in SILENT:
            answer = LOOKUP_ETC.get(operation, b"")
            os.write(device, struct.pack("IiQ", 16 + len(answer), 0 if answer else UNKNOWN, number) + answer)
page = mmap.mmap(-1, mmap.PAGESIZE)
place = ctypes.addressof(ctypes.c_char.from_buffer(page))
page[:16] = struct.pack("=H", socket.AF_INET) + struct.pack(">H", 8080) + bytes([127, 0, 0, 1]) + bytes(8)
covering = os.open(point, os.O_RDONLY)
assert os.fstat(covering).st_size  # the kernel asks for it
os.close(device)


def refused():
    """Return what bind(2) does for the address."""
    with socket.socket() as made:
        return libc.bind(made.fileno(), ctypes.c_void_p(place), 16)


def forget():
    """Put the file in the address's place."""
    assert libc.mmap(place, mmap.PAGESIZE, 1, MAP_PRIVATE_FIXED, covering, 0) == place
