# SPDX-License-Identifier: LGPL-2.1-or-later
"""
What truth.py compares: listings of trees, and the rules that explain differences between them.

A listing is a dictionary: "files" has for each path of a running node (etc, not usr/share/orlop/etc) its type, mode, owner,
group, content (SHA-256, or where a link leads) and extended attributes; "texts" the content of files of which more than a digest
is compared; "owners" the packages of each path, as dpkg tells; "judged" what Debian's tools made of the image's own files
(tests/lib/truth-judge).
"""
import hashlib
import lzma
import os
import re
import tarfile

TYPES = {tarfile.REGTYPE: "f", tarfile.AREGTYPE: "f", tarfile.LNKTYPE: "f", tarfile.SYMTYPE: "l", tarfile.DIRTYPE: "d",
         tarfile.CHRTYPE: "c", tarfile.BLKTYPE: "b", tarfile.FIFOTYPE: "p"}
ETC = "usr/share/orlop/etc"
JUDGED = "judged/"


# ---- Patterns and rules ----

def expression(glob):
    """The regular expression of a pattern of paths (src/base/glob.h)."""
    parts = re.split(r"(\*\*|\*|\?)", glob)
    return "".join({"**": ".*", "*": "[^/]*", "?": "[^/]"}.get(part, re.escape(part)) for part in parts)


class Patterns:
    """A list of patterns, and which of them have matched."""

    def __init__(self, globs, below=""):
        self.globs = globs
        self.compiled = [re.compile(expression(glob.lstrip("-")) + below, re.DOTALL) for glob in globs]
        self.used = set()

    def match(self, path):
        for glob, compiled in zip(self.globs, self.compiled):
            if compiled.fullmatch(path):
                self.used.add(glob)
                return True
        return False


class Rule:
    """A line of the file of rules: KIND PATTERN WORD…"""

    def __init__(self, line):
        self.line = line
        self.kind, glob, *self.words = line.split()
        self.compiled = re.compile(expression(glob), re.DOTALL)
        self.used = False

    def matches(self, path):
        return self.compiled.fullmatch(path)


def read_rules(path, suite=None):
    """The rules for a suite; for all where it is None."""
    rules, section = [], None
    for line in open(path, encoding="utf-8"):
        line = line.split("#")[0].strip()
        if line.startswith("["):
            section = line.strip("[]")
        elif line and (suite is None or section in (None, suite)):
            rules.append(Rule(line))
    return rules


# ---- Listings ----

def xattrs(member):
    prefix = "SCHILY.xattr."
    return {key[len(prefix):]: value.encode("utf-8", "surrogateescape").hex()
            for key, value in member.pax_headers.items() if key.startswith(prefix)}


def name_of(member, side):
    """The path on a running node."""
    path = os.path.normpath(member.name)
    path = "" if path == "." else path
    if side == "here":
        path = os.path.normpath("usr/" + path)
        if path == ETC or path.startswith(ETC + "/"):
            return "etc" + path[len(ETC):]
    return path


def content_of(archive, member):
    """The bytes of a file; a packed kernel module counts as what is in it."""
    data = archive.extractfile(member).read()
    return lzma.decompress(data) if member.name.endswith(".ko.xz") else data


def list_tar(path, side, rules):
    """Reads a tar file into the three members of a listing."""
    files, texts, owners, judged = {}, {}, {}, {}
    archive = tarfile.open(path)
    for member in archive:
        name, kind, value = name_of(member, side), TYPES[member.type], ""
        if member.issym():
            value = member.linkname
        elif kind == "f":
            data = content_of(archive, member)
            value = hashlib.sha256(data).hexdigest()
            if has_text(name, rules):
                texts[name] = data.decode("latin-1")
            if name.startswith("var/lib/dpkg/info/") and name.endswith(".list"):
                note_owner(owners, name, data.decode())
        if name.endswith(".ko.xz"):
            name = name[:-len(".xz")]
        it = [kind, f"{member.mode:04o}", member.uid, member.gid, value, xattrs(member)]
        if side == "there" and name.startswith(JUDGED):
            judged[name[len(JUDGED):]] = it
        else:
            files[name] = it
    return {"files": files, "texts": texts, "owners": owners, "judged": judged}


def has_text(name, rules):
    """Whether the content of a file is looked at, not only its digest."""
    plain = name[len(JUDGED):] if name.startswith(JUDGED) else name
    return plain in ("etc/passwd", "etc/group") or "/tmpfiles.d/" in name or \
        any(rule.kind in ("content", "judged") and rule.words and rule.matches(plain) for rule in rules)


def note_owner(owners, name, text):
    package = os.path.basename(name)[:-len(".list")].split(":")[0]
    for path in text.splitlines():
        path = re.sub(r"^/(bin|sbin|lib|lib64|libx?32)/", r"/usr/\1/", path)[1:]
        owners.setdefault(re.sub(r"\.ko\.xz$", ".ko", path), []).append(package)


def name_owners(listing):
    """Puts names in the place of the ids of owners and groups: system accounts have other ids on each side."""
    names = []
    for file in "etc/passwd", "etc/group":
        lines = [line.split(":") for line in listing["texts"][file].splitlines()]
        names.append({int(line[2]): line[0] for line in lines})
    for files in listing["files"], listing["judged"]:
        for it in files.values():
            it[2:4] = [names[i].get(it[2 + i], it[2 + i]) for i in range(2)]
    return names
