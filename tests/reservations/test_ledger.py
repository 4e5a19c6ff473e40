# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""What is written down comes back as it was; what others wrote into our files is understood, or refused by its line."""

from __future__ import annotations

import random
from typing import Any

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.errors import InvalidInput, NotSupported
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.ports import compress, port_set
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.reservations.ledger import (
    NOBODY,
    Account,
    OwnFile,
    Pending,
    format_ledger,
    format_own_file,
    parse_ledger,
    parse_name,
    parse_own_file,
)

from .world import RESERVED, World

KEY = "net.ipv4.ip_local_reserved_ports"
EVERY_OTHER = frozenset(range(1, 60001, 2))  # 30,000 ports, none beside another

NAMES = {
    "billing": True,
    "9lives": True,
    "a.b_c@d-e": True,
    "x" * 64: True,
    "x" * 65: False,
    "": False,
    "-x": False,
    ".x": False,
    "two words": False,
    "line\nfeed": False,
    "billing\n": False,
    "a:b": False,
    "größe": False,
    "٣": False,
}


@pytest.mark.parametrize("name", NAMES)
def test_names(name: str) -> None:
    if NAMES[name]:
        assert parse_name(name) == name
        return
    with pytest.raises(InvalidInput, match="accepted are"):
        parse_name(name)


@pytest.mark.parametrize("name", [None, 5, True, ["billing"], b"billing"])
def test_a_name_is_a_text(name: Any) -> None:
    with pytest.raises(InvalidInput, match="accepted are"):
        parse_name(name)


OWN_FILES = {
    "a name alone": OwnFile(names={"web": frozenset({80})}, value=frozenset({80})),
    "all there is": OwnFile(
        names={"web": frozenset({80, 81, 82}), "a.b@c-d": frozenset({82, 9000})},
        kept=frozenset({3200, 3201}),
        by_hand=frozenset({5000}),
        left_out=frozenset({4000}),
        value=frozenset({80, 81, 82, 9000, 3200, 3201, 5000}),
    ),
    "added by hand what others have as well": OwnFile(
        names={"web": frozenset({80})},
        kept=frozenset({80, 81}),
        by_hand=frozenset({80, 81}),
        value=frozenset({80, 81}),
    ),
    "nothing but what is left out": OwnFile(left_out=frozenset({4000}), value=NOBODY),
    "30,000 ports, none beside another": OwnFile(names={"web": EVERY_OTHER}, value=EVERY_OTHER),
    "every port": OwnFile(names={"web": frozenset(range(1, 65536))}, value=frozenset(range(1, 65536))),
}


@pytest.mark.parametrize("own", OWN_FILES.values(), ids=OWN_FILES)
def test_our_file_is_read_back_as_it_was_written(own: OwnFile) -> None:
    assert parse_own_file(format_own_file(own)) == own


def test_our_file_reads_well() -> None:
    assert format_own_file(OWN_FILES["all there is"]).split("\n")[1:] == [
        "# reservation a.b@c-d: 82,9000",
        "# reservation web: 80-82",
        "# kept from other files: 3200-3201",
        "# added by hand: 5000",
        "# left out: 4000",
        f"{KEY} = 80-82,3200-3201,5000,9000",
        "",
    ]


WEB = frozenset({80})
HAND_EDITED = {
    "no file": (None, OwnFile()),
    "an empty file": ("", OwnFile()),
    "a value alone": (f"{KEY} = 80", OwnFile(by_hand=WEB, value=WEB)),
    "a value without blanks": (f"{KEY}=80\n", OwnFile(by_hand=WEB, value=WEB)),
    "a value whose errors do not matter": (f"-{KEY} = 80\n", OwnFile(by_hand=WEB, value=WEB)),
    "a value with slashes": ("net/ipv4/ip_local_reserved_ports = 80\n", OwnFile(by_hand=WEB, value=WEB)),
    "the ends of lines of another system": (
        f"# reservation web: 80\r\n{KEY} = 80\r\n",
        OwnFile(names={"web": WEB}, value=WEB),
    ),
    "blanks around": (f"  # reservation web: 80  \n\t{KEY} = 80 \n", OwnFile(names={"web": WEB}, value=WEB)),
    "the last of several values": (f"{KEY} = 90\n{KEY} = 80\n", OwnFile(by_hand=WEB, value=WEB)),
    "an empty value": (f"# reservation web: 80\n{KEY} =\n", OwnFile(names={"web": WEB}, value=NOBODY)),
    "no value any more": ("# reservation web: 80\n", OwnFile(names={"web": WEB}, value=None)),
    "a value that is a comment": (
        f"# reservation web: 80\n#{KEY} = 80\n;{KEY} = 81\n",
        OwnFile(names={"web": WEB}, value=None),
    ),
    "a port more": (
        f"# reservation web: 80\n{KEY} = 80,90\n",
        OwnFile(names={"web": WEB}, by_hand=frozenset({90}), value=frozenset({80, 90})),
    ),
    "a port added by hand, and taken out again": (
        f"# reservation web: 80\n# added by hand: 90\n{KEY} = 80\n",
        OwnFile(names={"web": WEB}, value=WEB),
    ),
    "a port that was left out, put in again": (
        f"# left out: 80\n{KEY} = 80\n",
        OwnFile(by_hand=WEB, left_out=WEB, value=WEB),
    ),
    "comments of others": (f"# ask the network people\n{KEY} = 80\n", OwnFile(by_hand=WEB, value=WEB)),
    "neighbours that are not joined": (
        f"# reservation web: 82,80,81\n{KEY} = 80,81,82\n",
        OwnFile(names={"web": frozenset({80, 81, 82})}, value=frozenset({80, 81, 82})),
    ),
}


@pytest.mark.parametrize("text, own", HAND_EDITED.values(), ids=HAND_EDITED)
def test_what_was_edited_by_hand_is_understood(text: str | None, own: OwnFile) -> None:
    assert parse_own_file(text) == own


BROKEN = {
    "a port that is none": "# reservation web: 80,http\n",
    "a port too high": f"{KEY} = 65536\n",
    "a range the wrong way": f"{KEY} = 90-80\n",
    "blanks between ports, which the kernel refuses": f"{KEY} = 80 81\n",
    "a digit that is not one of the kernel's": f"{KEY} = ²\n",
    "a digit of another script": f"{KEY} = ٨٠\n",
    "a number without end": f"{KEY} = {'8' * 5000}\n",
    "a name with a blank": "# reservation my web: 80\n",
    "a name of control characters": "# reservation \x1b[31m: 80\n",
    "no name": "# reservation : 80\n",
    "a name twice": "# reservation web: 80\n# reservation web: 81\n",
    "what is left out cannot be read": "# left out: everything\n",
    "another setting, which would be lost": "vm.swappiness = 10\n",
    "no text at all": "\x00\x01\x02\ufffd = \n",
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_what_cannot_be_read_is_refused_by_its_line(text: str) -> None:
    last = text.count("\n")
    with pytest.raises(NotSupported, match=rf"^/etc/sysctl\.d/ours\.conf, line {last + 1}: ") as told:
        parse_own_file("# a comment\n" + text, "/etc/sysctl.d/ours.conf")
    assert str(told.value).isprintable() and len(str(told.value)) < 250


ACCOUNTS = {
    "4026531840-1": Account(names={"web": frozenset({80, 81}), "shop": frozenset({81, 5000})}, foreign=frozenset({81})),
    "4026532000-77": Account(names={"web": EVERY_OTHER}, foreign=EVERY_OTHER),
    "4026532000-78": Account(
        names={"web": frozenset({80})},
        pending=Pending(frozenset({80, 90}), frozenset({80})),
        persistent={"web": frozenset({81})},
    ),
}


def test_the_ledger_is_read_back_as_it_was_written() -> None:
    text = format_ledger(ACCOUNTS, "0d5a5b6e-0000-4000-8000-000000000000")
    assert parse_ledger(text, "0d5a5b6e-0000-4000-8000-000000000000") == ACCOUNTS
    assert parse_ledger(text, "another") == {}
    assert parse_ledger(None, "any") == {}


def test_a_ledger_of_another_version_is_left_alone_for_the_boot() -> None:
    text = format_ledger(ACCOUNTS, "this").replace("reserved_ports/1", "reserved_ports/2")
    assert parse_ledger(text, "another") == {}
    with pytest.raises(NotSupported, match=r"^the ledger: of another version of Portreeve"):
        parse_ledger(text, "this")


HEAD = '{"format": "portreeve.reserved_ports/1", "boot_id": "x", "namespaces"'
BROKEN_LEDGERS = {
    "empty": "",
    "cut short": format_ledger(ACCOUNTS, "x")[:-40],
    "no object": "[1, 2]",
    "a number": "5",
    "nothing in it": "{}",
    "a list of namespaces": '{"namespaces": []}',
    "a text for names": '{"namespaces": {"1": {"names": "web", "foreign": ""}}}',
    "no foreign ones": '{"namespaces": {"1": {"names": {}}}}',
    "a number for ports": '{"namespaces": {"1": {"names": {"web": 80}, "foreign": ""}}}',
    "ports that are none": '{"namespaces": {"1": {"names": {"web": "http"}, "foreign": ""}}}',
    "half of what is pending": '{"namespaces": {"1": {"names": {}, "foreign": "", "pending": {"before": ""}}}}',
    "a text for what is pending": '{"namespaces": {"1": {"names": {}, "foreign": "", "pending": "80"}}}',
    "a list for what our file says": '{"namespaces": {"1": {"names": {}, "foreign": "", "persistent": []}}}',
    "a name that is none": '{"namespaces": {"1": {"names": {"a b": "80"}, "foreign": ""}}}',
    "a nest without end": "[" * 100_000,
    "a number without end": '{"namespaces": %s}' % ("9" * 5000),
}


@pytest.mark.parametrize("text", BROKEN_LEDGERS.values(), ids=BROKEN_LEDGERS)
def test_what_is_no_ledger_is_refused_by_its_path(text: str) -> None:
    with pytest.raises(NotSupported, match=r"^/run/portreeve/ours\.json: ") as told:
        parse_ledger(text.replace('{"namespaces"', HEAD), "x", "/run/portreeve/ours.json")
    assert str(told.value).isprintable() and len(str(told.value)) < 250


def test_a_list_is_read_as_the_kernel_reads_it(world: World) -> None:
    """What the kernel makes of a list, or refuses: all that is told of a boot rests on it."""
    chance = random.Random(2026)
    lists = ["", "80", "80,", "80,,", ",80", "80 81", "80, 81", "80 ", "80-", "-80", "80-80", "90-80", "65535", "65536"]
    lists += ["0", "0-5", "5-5-5", "80-90,85-95", "+80", "²", "٨٠", "080", "0100", "0x50", "00080", "8" * 20]
    weights = (1, 3, 3, 3, 3, 3, 3, 3, 3, 3, 6, 4, 0.5)
    lists += ["".join(chance.choices("0123456789,- ", weights, k=chance.randint(1, 9))) for _ in range(4000)]
    found = world.run(lambda: [in_kernel(one) for one in lists])
    assert 500 < sum(ports is None for ports in found) < len(found) - 500
    wrong = {
        text: (port_set(text), ports)
        for text, ports in zip(lists, found, strict=True)
        if port_set(text) != ports and not (port_set(text) is None and in_another_base(text))
    }
    told = [f"{text!r}: {ours} here, {theirs} in the kernel" for text, (ours, theirs) in wrong.items()]
    assert not wrong, "\n".join(told)


def in_kernel(text: str) -> frozenset[int] | None:
    """Return what a boot would make of a list: sysctl(8) takes off the blanks around. None where it is refused."""
    RESERVED.write_text("\n")
    try:
        RESERVED.write_text(text.strip() + "\n")
    except OSError:
        return None
    return port_set(RESERVED.read_text())


def in_another_base(text: str) -> bool:
    """Return whether the kernel takes one of the numbers for octal or hexadecimal, which nobody means."""
    numbers = text.replace("-", ",").replace(" ", ",").split(",")
    return any(len(one) > 1 and one.startswith("0") for one in numbers)


def test_lists_of_any_size_are_read_back() -> None:
    chance = random.Random(2026)
    for size in (0, 1, 2, 100, 30_000, 65_535):
        ports = frozenset(chance.sample(range(1, 65_536), size))
        assert port_set(compress(ports)) == ports
    assert port_set(compress(EVERY_OTHER)) == EVERY_OTHER
