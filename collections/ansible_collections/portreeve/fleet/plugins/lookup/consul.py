# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads the applications that a Consul registry declares for a host."""

from __future__ import annotations

DOCUMENTATION = r"""
name: consul
author:
  - Portreeve contributors (@portreeve)
version_added: 0.1.0
short_description: Read the applications that a Consul registry declares for a host
description:
  - Returns the services that a Consul catalog or agent says to be on a host, as entries for C(portreeve_applications),
    from the registry itself or from a file that one of its answers was saved to.
  - They are declarations like any others. Where the registry cannot be asked, or its answer cannot be read, that is a
    mistake in the declarations, and no host is contacted.
options:
  _terms:
    description: Nothing.
  url:
    description:
      - Address of a Consul server or agent, such as V(https://consul.example.org:8501). Its catalog is asked for
        O(node).
      - An address below C(/v1/), such as V(http://127.0.0.1:8500/v1/catalog/service/web), is asked as it is, once for
        all hosts, and O(node) chosen from the answer.
    type: str
  file:
    description:
      - A file on the controller that holds the answer of C(/v1/agent/services), C(/v1/catalog/service/NAME),
        C(/v1/catalog/node/NODE), C(/v1/catalog/node-services/NODE) or C(/v1/health/service/NAME), or a list or map of
        several of these.
    type: path
  node:
    description:
      - Names or addresses of the host, of which the first that the registry knows counts, names before addresses. A
        name also matches without its domain.
    type: list
    elements: str
    default: []
  missing:
    description: What it means that the registry does not know the host.
    type: str
    choices:
      error: A mistake in the declarations.
      empty: Nothing is declared for the host.
    default: error
  partial:
    description: What it means that the registry leaves out of its answer what O(token) may not read.
    type: str
    choices:
      error: A mistake in the declarations, as they might lack some.
      accept: What it does not leave out is declared, and a warning says so.
    default: error
  token:
    description: The ACL token. It is shown nowhere.
    type: str
    env:
      - name: CONSUL_HTTP_TOKEN
  datacenter:
    description: The datacenter to ask about, that of the agent if left out.
    type: str
  validate_certs:
    description: Whether the registry must prove by its certificate who it is.
    type: bool
    default: true
  ca_path:
    description: A file of certificates of those who may certify it, those of the system if left out.
    type: path
    env:
      - name: CONSUL_CACERT
  client_cert:
    description: A file with the certificate to show to the registry.
    type: path
    env:
      - name: CONSUL_CLIENT_CERT
  client_key:
    description: A file with the key of O(client_cert), if that does not hold it.
    type: path
    env:
      - name: CONSUL_CLIENT_KEY
  timeout:
    description: Seconds to wait for the registry.
    type: int
    default: 10
notes:
  - One of O(url) and O(file) is needed. What an address has answered is asked once in a process of Ansible.
  - An agent's own answer (C(/v1/agent/services)) names no node, so all of it is taken.
  - A service's C(Meta) may say C(portreeve-unit), C(portreeve-exe), C(portreeve-user) and C(portreeve-container), all
    of which make the C(owner); C(portreeve-protocol), one of V(tcp), V(udp) and V(tcp,udp); C(portreeve-address),
    C(portreeve-listen), C(portreeve-reserve) and C(portreeve-severity), as in C(portreeve_applications).
  - The address of a service is C(loopback) where the registry has a loopback address for it. Any other is where clients
    find it, and may be bound in any way.
  - Services without a port, such as proxies on a socket file, are left out, and a warning or C(-v) says so.
  - Redirections are not followed, since they would carry the token elsewhere.
seealso:
  - plugin: portreeve.fleet.applications
    plugin_type: lookup
"""

EXAMPLES = r"""
# group_vars/all.yml
# portreeve_applications_consul: >-
#   {{ query('portreeve.fleet.consul', url='http://127.0.0.1:8500', node=[inventory_hostname, ansible_host]) }}
#
# From a saved answer:
# portreeve_applications_consul: "{{ query('portreeve.fleet.consul', file='web.json', node=inventory_hostname) }}"

- name: Show what the registry declares
  ansible.builtin.debug:
    msg: "{{ query('portreeve.fleet.consul', url='https://consul.example.org:8501', node=inventory_hostname) }}"
"""

RETURN = r"""
_list:
  description:
    - The applications by name, with C(name) and C(ports), and what the registry says of C(owner), C(address),
      C(listen), C(reserve) and C(severity).
  type: list
  elements: dict
  sample:
    - name: billing
      ports: [36601]
      owner: {unit: billing.service}
      address: loopback
"""

import functools
import ipaddress
import json
import pathlib
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.parse import quote, urlsplit

from ansible.errors import AnsibleLookupError
from ansible.module_utils.urls import ConnectionError as UrlError
from ansible.module_utils.urls import open_url
from ansible.plugins.lookup import LookupBase
from ansible.utils.display import Display

from ..module_utils.portreeve_agent.errors import InvalidInput
from ..plugin_utils.fleet.picture import plain
from ..plugin_utils.fleet.translation import translated
from ..plugin_utils.policy.consul import applications_in
from ..plugin_utils.policy.registry_nodes import UnknownNode, names_at

_FILTERED = "X-Consul-Results-Filtered-By-ACLs"
_SILENT = {}  # (scheme, host and port) of registries that did not answer: why
_WAYS = ("token", "validate_certs", "ca_path", "client_cert", "client_key", "timeout")


class LookupModule(LookupBase):
    """Asks a registry, or reads what it has answered."""

    def run(self, terms, variables=None, **kwargs):
        """Return the entries for the node."""
        self.set_options(var_options=variables, direct=kwargs)
        if terms:
            raise AnsibleLookupError("The lookup of a Consul registry takes its arguments by name: url, file, node.")
        return translated(self._entries, AnsibleLookupError)()

    def _entries(self):
        url, file, node = self.get_option("url"), self.get_option("file"), plain(self.get_option("node"))
        if bool(url) == bool(file):
            raise InvalidInput("The lookup of a Consul registry takes either url or file: accepted is one of them.")
        try:
            if file:
                declared = applications_in(_from_file(str(file)), node, f"The registry's answer in {file}")
            else:
                declared = self._from_registry(str(url), node)
        except UnknownNode:
            if self.get_option("missing") == "error":
                raise
            return []
        for sentence in declared.left_out:
            Display().warning(sentence)
        for sentence in declared.expected:
            Display().v(sentence)
        return list(declared.entries)

    def _from_registry(self, url, node):
        token = self.get_option("token")
        if token and not token.isalnum() and not token.replace("-", "").isalnum():
            raise InvalidInput("The token for the registry is none: accepted are letters, digits and -.")
        where = f"The registry at {_without_secrets(url)}"
        ask = functools.partial(
            _answer, self.get_option("partial") == "accept", **{name: self.get_option(name) for name in _WAYS}
        )
        if "/v1/" in urlsplit(url).path:
            return applications_in(ask(url), node, where)
        if not node:
            raise InvalidInput(f"{where} says what is on each of its nodes: say which one is meant by node.")
        datacenter = self.get_option("datacenter")
        chosen = f"?dc={quote(datacenter, safe='')}" if datacenter else ""
        catalog = f"{url.rstrip('/')}/v1/catalog"
        for name in _names(node):
            if _is_address(name):
                name = _name_of(name, ask(f"{catalog}/nodes{chosen}{'&' if chosen else '?'}{_at(name)}"), where)
            answer = ask(f"{catalog}/node/{quote(name, safe='')}{chosen}") if name else None
            if answer:
                return applications_in(answer, (), where)
        return applications_in(None, node, where)


def _name_of(address, nodes, where):
    found = names_at(address, nodes, where)
    if len(found) > 1:
        raise InvalidInput(f"{where} has more than one node at {address}: {', '.join(found)}.")
    return found[0] if found else None


def _names(node):
    """Return what the host may be called, in the order in which to ask; an address costs the registry the most."""
    names = [name for name in node if not _is_address(name)]
    short = [name.partition(".")[0] for name in names]
    return list(dict.fromkeys([*names, *short, *node]))


def _at(address):
    """Return the filter of those nodes that have an address; a registry that knows none answers with all nodes."""
    tags = ("lan", "lan_ipv4", "lan_ipv6", "wan", "wan_ipv4", "wan_ipv6")
    fields = ("Address", *(f"TaggedAddresses.{tag}" for tag in tags))
    return "filter=" + quote(" or ".join(f'{field} == "{address}"' for field in fields), safe="")


def _is_address(name):
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _answer(is_part_enough, url, **ways):
    """Return what an address answers. Raises InvalidInput, at once where the same registry did not answer before."""
    answer, refused, is_part = _asked(url, **ways)
    if refused:
        raise InvalidInput(f"The registry cannot be asked for {_without_secrets(url)}: {refused}.")
    if is_part:
        left_out = f"The registry left out of {_without_secrets(url)} what this token may not read"
        if not is_part_enough:
            raise InvalidInput(f"{left_out}: accepted is a token that may read all of it, or partial: accept.")
        Display().warning(f"{left_out}.")
    return _parsed(answer, f"What {_without_secrets(url)} answered")


@functools.lru_cache(maxsize=4096)
def _asked(url, token, timeout, **ways):
    """Return the content, why there is none, and whether it is a part.

    Nobody waits a thousand times for a registry that is down.
    """
    origin = urlsplit(url).scheme, urlsplit(url).netloc
    if origin in _SILENT:
        return b"", _SILENT[origin], False
    headers = {"Accept": "application/json", **({"X-Consul-Token": token} if token else {})}
    try:
        with open_url(
            url, headers=headers, timeout=timeout, follow_redirects="none", http_agent="portreeve", **ways
        ) as response:
            return response.read(), "", response.headers.get(_FILTERED) == "true"
    except HTTPError as error:
        told = " ".join(error.read(200).decode("utf-8", "replace").split()).rstrip(".")
        reason = f"it answered {error.code} {error.reason}" + (f", {told!a}" if told else "")
        return b"", reason.replace(token or "\n", "..."), False
    except (OSError, HTTPException, ValueError, UrlError) as error:
        reason = " ".join(str(getattr(error, "reason", None) or error).split()).rstrip(".")
        _SILENT[origin] = reason.replace(token or "\n", "...")
        return b"", _SILENT[origin], False


def _from_file(path):
    try:
        content = pathlib.Path(path).read_bytes()
    except OSError as error:
        raise InvalidInput(f"The registry's answer in {path} cannot be read: {error.strerror}.") from None
    return _parsed(content, path)


def _parsed(content, where):
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise InvalidInput(f"{where} is not JSON: accepted is an answer of a Consul registry.") from None


def _without_secrets(url):
    """Return an address without what may be a password or token in it."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
