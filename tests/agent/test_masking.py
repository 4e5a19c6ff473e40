# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026 Portreeve contributors
"""Secrets in command lines: what is hidden, and what stays readable."""

from __future__ import annotations

import re

import pytest
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent import masking
from ansible_collections.portreeve.fleet.plugins.module_utils.portreeve_agent.masking import MASK, mask_secrets
from hypothesis import given
from hypothesis import strategies as st

SECRET = "s3cr3t!Value"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc=\n-----END RSA PRIVATE KEY-----"

# The secret is written as XXX, or as itself where its shape gives it away.
HIDDEN: list[tuple[tuple[str, ...], tuple[str, ...]]] = [
    (("app", "--password=XXX"), ("app", f"--password={MASK}")),
    (("app", "--password", "XXX"), ("app", "--password", MASK)),
    (("app", "--password", "-XXX"), ("app", "--password", MASK)),
    (("app", "--password=two words XXX"), ("app", f"--password={MASK}")),
    (("app", '--password="XXX"'), ("app", f'--password="{MASK}"')),
    (("app", "--Password", "XXX"), ("app", "--Password", MASK)),
    (("app", "--db-passwd=XXX"), ("app", f"--db-passwd={MASK}")),
    (("app", "--dbpassword=XXX"), ("app", f"--dbpassword={MASK}")),
    (("app", "--password1=XXX"), ("app", f"--password1={MASK}")),
    (("app", "--token", "XXX", "--port", "80"), ("app", "--token", MASK, "--port", "80")),
    (("consul", "-token", "XXX"), ("consul", "-token", MASK)),
    (("app", "--api-key=XXX"), ("app", f"--api-key={MASK}")),
    (("app", "--apiKey", "XXX"), ("app", "--apiKey", MASK)),
    (("app", "--apikey=XXX"), ("app", f"--apikey={MASK}")),
    (("app", "--client-secret", "XXX"), ("app", "--client-secret", MASK)),
    (("app", "--secret=XXX"), ("app", f"--secret={MASK}")),
    (("app", "--passphrase", "XXX"), ("app", "--passphrase", MASK)),
    (("vault", "write", "-secret-id=XXX"), ("vault", "write", f"-secret-id={MASK}")),
    (("app", "--private-key=XXX"), ("app", f"--private-key={MASK}")),
    (("keytool", "-storepass", "XXX", "-alias", "a"), ("keytool", "-storepass", MASK, "-alias", "a")),
    (("java", "-Djavax.net.ssl.keyStorePassword=XXX"), ("java", f"-Djavax.net.ssl.keyStorePassword={MASK}")),
    (("redis-server", "--requirepass", "XXX"), ("redis-server", "--requirepass", MASK)),
    (("redis-server", "--masterauth", "XXX"), ("redis-server", "--masterauth", MASK)),
    (("beam.smp", "-setcookie", "XXX"), ("beam.smp", "-setcookie", MASK)),
    (("plink", "-pw", "XXX"), ("plink", "-pw", MASK)),
    # short options, only of programs that read them so
    (("mysql", "-uroot", "-pXXX", "db"), ("mysql", "-uroot", f"-p{MASK}", "db")),
    (("/usr/bin/mysqldump", "-pXXX"), ("/usr/bin/mysqldump", f"-p{MASK}")),
    (("sudo", "-u", "db", "mariadb", "-pXXX"), ("sudo", "-u", "db", "mariadb", f"-p{MASK}")),
    (("sshpass", "-p", "XXX", "ssh", "host"), ("sshpass", "-p", MASK, "ssh", "host")),
    (("sshpass", "-pXXX", "ssh", "host"), ("sshpass", f"-p{MASK}", "ssh", "host")),
    (("redis-cli", "-a", "XXX", "ping"), ("redis-cli", "-a", MASK, "ping")),
    (("ldapsearch", "-D", "cn=x", "-w", "XXX"), ("ldapsearch", "-D", "cn=x", "-w", MASK)),
    (("mongodump", "-p", "XXX"), ("mongodump", "-p", MASK)),
    (("docker", "login", "-p", "XXX", "reg"), ("docker", "login", "-p", MASK, "reg")),
    (("curl", "-u", "me:XXX", "http://h"), ("curl", "-u", f"me:{MASK}", "http://h")),
    (("curl", "-ume:XXX"), ("curl", f"-ume:{MASK}")),
    (("curl", "--user=me:XXX"), ("curl", f"--user=me:{MASK}")),
    (("curl", "--proxy-user", "me:XXX"), ("curl", "--proxy-user", f"me:{MASK}")),
    (("openssl", "rsa", "-passin", "pass:XXX"), ("openssl", "rsa", "-passin", f"pass:{MASK}")),
    # assignments
    (("env", "PGPASSWORD=XXX", "psql"), ("env", f"PGPASSWORD={MASK}", "psql")),
    (("env", "MYSQL_PWD=two words XXX"), ("env", f"MYSQL_PWD={MASK}")),
    (("env", "AWS_SECRET_ACCESS_KEY=XXX"), ("env", f"AWS_SECRET_ACCESS_KEY={MASK}")),
    (("env", "AWS_SESSION_TOKEN=XXX"), ("env", f"AWS_SESSION_TOKEN={MASK}")),
    (("docker", "run", "--env=DB_PASSWORD=a&XXX"), ("docker", "run", f"--env=DB_PASSWORD={MASK}")),
    (("docker", "run", "-eDB_PASSWORD=XXX"), ("docker", "run", f"-eDB_PASSWORD={MASK}")),
    (("helm", "--set", "db.password=XXX"), ("helm", "--set", f"db.password={MASK}")),
    (("psql", "host=db password=XXX user=me"), ("psql", f"host=db password={MASK} user=me")),
    (("mount", "-o", "username=me,password=XXX,uid=0"), ("mount", "-o", f"username=me,password={MASK},uid=0")),
    (("app", "Server=db;Uid=sa;Pwd=XXX;"), ("app", f"Server=db;Uid=sa;Pwd={MASK};")),
    (("app", "--conn=AccountName=a;AccountKey=XXX=="), ("app", f"--conn=AccountName=a;AccountKey={MASK}")),
    # URLs
    (("git", "clone", "https://me:XXX@host/x"), ("git", "clone", f"https://me:{MASK}@host/x")),
    (("app", "redis://:XXX@host:6379/0"), ("app", f"redis://:{MASK}@host:6379/0")),
    (("app", "https://me:p@XXX@host"), ("app", f"https://me:{MASK}@host")),
    (("app", "DATABASE_URL=postgres://me:XXX@db/z"), ("app", f"DATABASE_URL=postgres://me:{MASK}@db/z")),
    (("app", "mongodb://a:XXX@h1,h2/?x=1"), ("app", f"mongodb://a:{MASK}@h1,h2/?x=1")),
    (("app", "http://h/x?token=XXX&y=1"), ("app", f"http://h/x?token={MASK}&y=1")),
    (("app", "http://h/x?y=1&api_key=XXX"), ("app", f"http://h/x?y=1&api_key={MASK}")),
    # headers
    (("curl", "-H", "Authorization: Bearer XXX"), ("curl", "-H", f"Authorization: Bearer {MASK}")),
    (("curl", "-H", "Authorization: Basic XXX"), ("curl", "-H", f"Authorization: Basic {MASK}")),
    (("curl", "-H", "authorization: XXX"), ("curl", "-H", f"authorization: {MASK}")),
    (("curl", "-H", "X-Api-Key: XXX"), ("curl", "-H", f"X-Api-Key: {MASK}")),
    (("curl", "-H", "PRIVATE-TOKEN:XXX"), ("curl", "-H", f"PRIVATE-TOKEN:{MASK}")),
    (("curl", "-H", "Cookie: a=XXX; b=XXX"), ("curl", "-H", f"Cookie: {MASK}")),
    # JSON
    (("app", '{"user": "me", "password": "XXX"}'), ("app", f'{{"user": "me", "password": "{MASK}"}}')),
    (("app", '{"password":"a\\"XXX","x":1}'), ("app", f'{{"password":"{MASK}","x":1}}')),
    (("app", "{'token': 'XXX two'}"), ("app", f"{{'token': '{MASK}'}}")),
    (("app", '"{\\"secret\\":\\"XXX\\"}"'), ("app", f'"{{\\"secret\\":\\"{MASK}\\"}}"')),
    (("app", "{password: XXX, user: me}"), ("app", f"{{password: {MASK}, user: me}}")),
    (("app", "{Authorization: Basic XXX, a: b}"), ("app", f"{{Authorization: Basic {MASK}, a: b}}")),
    (("app", "--data={password:XXX}"), ("app", f"--data={{password:{MASK}}}")),
    # commands within an argument
    (("sh", "-c", "mysql -pXXX db"), ("sh", "-c", f"mysql -p{MASK} db")),
    (("sh", "-c", "PGPASSWORD=XXX psql -h db"), ("sh", "-c", f"PGPASSWORD={MASK} psql -h db")),
    (("bash", "-lc", "app --password 'a XXX' --x"), ("bash", "-lc", f"app --password {MASK} --x")),
    (("sh", "-c", 'app --token="a XXX" x'), ("sh", "-c", f'app --token="{MASK}" x')),
    (("sh", "-c", "curl -H 'X-Token: a XXX' u"), ("sh", "-c", f"curl -H 'X-Token: {MASK}' u")),
    (("sh", "-c", 'bash -c "mysql -pXXX"'), ("sh", "-c", f'bash -c "mysql -p{MASK}"')),
    (("app: worker --token XXX",), (f"app: worker --token {MASK}",)),
    # shapes
    (("app", "AKIAIOSFODNN7EXAMPLE"), ("app", MASK)),
    (("app", "--x=ghp_0123456789abcdefghijABCDEFGHIJ012345"), ("app", f"--x={MASK}")),
    (("app", "https://ghp_0123456789abcdefghijABCDEFGHIJ012345@h"), ("app", f"https://{MASK}@h")),
    (("app", "glpat-0123456789abcdefghij"), ("app", MASK)),
    (("app", "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"), ("app", MASK)),
    (("app", "bearer", "x", "a Bearer abcdef0123456789"), ("app", "bearer", "x", f"a Bearer {MASK}")),
    (("app", PEM, "after"), ("app", MASK, "after")),
    (("app", PEM[:45]), ("app", MASK)),
]

READABLE: list[tuple[str, ...]] = [
    (),
    ("",),
    ("app", ""),
    ("app", "--password-file=/run/x"),
    ("app", "--password-file", "/run/x"),
    ("app", "--tokenizer", "bpe"),
    ("app", "--max-tokens=100"),
    ("app", "--token-ttl", "60"),
    ("app", "--secret-name=db"),
    ("app", "--no-password", "host"),
    ("gh", "--with-token", "x"),
    ("ansible-playbook", "--ask-pass", "site.yml"),
    ("mysql", "--password", "--host", "db"),
    ("mysql", "-p", "db"),
    ("app", "--password="),
    ("app", "--password"),
    ("app", "--bypass=yes"),
    ("app", "--private-key=/etc/ssl/key.pem"),
    ("app", "--private-key", "~/key.pem"),
    ("app", "--ssl-key", "key.pem"),
    ("app", "--key", "name"),
    ("env", "PWD=/home/me"),
    ("nginx", "-p", "/etc/nginx"),
    ("nginx", "-p/etc/nginx"),
    ("ssh", "-p22", "host"),
    ("docker", "run", "-p", "8080:80", "--user", "1000:1000"),
    ("docker", "run", "-v", "/opt/secret:/data"),
    ("docker", "run", "-v", "secret:/data"),
    ("kubectl", "get", "secret", "x"),
    ("app", "http://host:8080/a@b"),
    ("app", "ssh://git@host:22/x"),
    ("app", "--listen=tcp://0.0.0.0:80"),
    ("java", "-cp", "/a/token.jar:/b/secret.jar", "com.example.Password"),
    ("openssl", "rsa", "-passin", "file:/x"),
    ("curl", "-u", "me", "-H", "Host: a"),
    ("app", "0123456789abcdef0123456789abcdef01234567"),
    ("postgres: me db [local] idle",),
    ("nginx: master process /usr/sbin/nginx -g daemon off;",),
]


def revealed(words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(word.replace("XXX", SECRET) for word in words)


@pytest.mark.parametrize(("cmdline", "expected"), HIDDEN, ids=[" ".join(cmdline)[:60] for cmdline, _masked in HIDDEN])
def test_hidden(cmdline: tuple[str, ...], expected: tuple[str, ...]) -> None:
    assert mask_secrets(revealed(cmdline)) == expected


@pytest.mark.parametrize("cmdline", READABLE, ids=" ".join)
def test_readable(cmdline: tuple[str, ...]) -> None:
    assert mask_secrets(cmdline) == cmdline


HOSTILE = [
    "a" * 300_000,
    "a=" * 150_000,
    "password" * 40_000,
    "password=" * 30_000,
    "--password " * 30_000,
    "\"'" * 150_000,
    "'" + '"\\' * 100_000,
    "{" * 300_000,
    '\\"' * 150_000,
    "://" * 100_000,
    "://a:" * 60_000,
    "://" + "a:" * 100_000,
    "-----BEGIN RSA PRIVATE KEY-----" * 9_000,
    "eyJa-" * 60_000,
    "Bearer " * 40_000,
    "password:" + " " * 300_000,
    "a " * 150_000,
    "password=a," * 30_000,
    "password=" + "," * 300_000,
    "password=" + ", " * 150_000,
    "-" * 300_000,
    "api_key=/" * 30_000,
    " ".join(map(str, range(40_000))),
    "A" * 300_000 + "=",
    "-p" + "x" * 300_000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:20])
def test_hostile_arguments_end(text: str) -> None:
    """Work that grows with the square of these lengths would take many minutes."""
    mask_secrets(("mysql", text, "--password", text))
    mask_secrets(("sh", "-c", text))


@given(st.lists(st.text()).map(tuple))
def test_every_argument_stays_one_and_masking_is_final(cmdline: tuple[str, ...]) -> None:
    masked = mask_secrets(cmdline)
    assert len(masked) == len(cmdline)
    assert mask_secrets(masked) == masked


@given(st.text(min_size=1).filter(lambda value: value.strip("\\\"'")))
def test_no_part_of_a_value_remains(value: str) -> None:
    (masked,) = mask_secrets(("PASSWORD=" + value,))
    assert masked.replace("\\", "").replace('"', "").replace("'", "") == "PASSWORD=" + MASK


PIECES = sorted({piece for cmdline, _masked in HIDDEN for word in cmdline for piece in re.findall(r"\w+|\W+", word)})


@given(st.lists(st.lists(st.sampled_from(PIECES), max_size=4).map("".join), max_size=4).map(tuple))
def test_nothing_is_masked_where_no_mark_is_seen(cmdline: tuple[str, ...]) -> None:
    assert mask_secrets(cmdline) == tuple(masking._mask_words(cmdline, 0))
