#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""
Compares the usr image with what Debian's own tools install from the same packages: prints each difference that nothing
explains, and fails where there is one. tests/image/truth.bats runs it; CONTRIBUTING.md says how to explain a difference.

    truth.py widen DEFINITION >WIDER-DEFINITION
    truth.py list there|here TAR RULES >LISTING
    truth.py compare SUITE DEFINITION RULES OVERLAY KERNEL THERE HERE MANIFEST

"there" is the tree of Debian's tools, "here" the image. OVERLAY is the edition's folder "files", KERNEL the SHA-256 of that in
the kernel image, MANIFEST the image's. Listings (truth_listing.py) are JSON.
"""
import hashlib
import json
import os
import re
import sys

import yaml

from truth_listing import JUDGED, Patterns, expression, list_tar, name_owners, read_rules
from truth_text import same_content, tmpfiles_lines

# What Debian's packages use without saying so.
ESSENTIAL = ("base-files base-passwd bash bsdutils coreutils dash debianutils diffutils dpkg findutils grep gzip hostname "
             "init-system-helpers libc-bin mawk ncurses-base ncurses-bin perl-base sed sysvinit-utils tar util-linux").split()
# The build's own list of the folders in /var.
VAR = "usr/lib/tmpfiles.d/orlop-var.conf"


def entry(kind, mode, value=""):
    return [kind, mode, "root", "root", value, {}]


def say(it):
    kind, mode, uid, gid, value, extended = it
    return f"{kind} {mode} {uid}:{gid} {value}" + "".join(f" {key}={extended[key]}" for key in sorted(extended))


def masked(definition):
    return [unit for unit, what in definition.get("units", {}).items() if what == "mask"]


def settings(definition):
    """The lines of the files that sysctl, users and units become (docs/definition.md)."""
    name, users = definition["name"], []
    for user, about in definition.get("users", {}).items():
        kind = "u" if "shell" in about else "u!"
        users.append(f'{kind} {user} - "{about["description"]}" {about.get("home", "-")} {about.get("shell", "-")}\n')
        users += [f"m {user} {group}\n" for group in about.get("groups", [])]
    return {
        f"usr/lib/sysctl.d/60-{name}.conf": [f"{key} = {value}\n" for key, value in definition.get("sysctl", {}).items()],
        f"usr/lib/sysusers.d/{name}.conf": users,
        f"usr/lib/systemd/system-preset/00-{name}.preset": [
            f"{what} {unit}\n" for unit, what in definition.get("units", {}).items() if what != "mask"],
    }


def own_entries(definition, overlay):
    """What the edition itself says: its files as src/build/overlay.h takes them, its links, units and settings."""
    own = {path: entry("l", "0777", target) for path, target in definition.get("links", {}).items()}
    own |= {"etc/systemd/system/" + unit: entry("l", "0777", "/dev/null") for unit in masked(definition)}
    own |= {path: entry("f", "0644", hashlib.sha256("".join(lines).encode()).hexdigest())
            for path, lines in settings(definition).items() if lines}
    for folder, folders, files in os.walk(overlay):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in folders + files:
            path = os.path.join(folder, name)
            place = os.path.relpath(path, overlay)
            if name.startswith(".") or name.endswith("~"):
                continue
            if os.path.islink(path):
                own[place] = entry("l", "0777", os.readlink(path))
            elif os.path.isdir(path):
                own[place] = entry("d", "0755")
            else:
                with open(path, "rb") as file:
                    digest = hashlib.sha256(file.read()).hexdigest()
                own[place] = entry("f", "0755" if os.stat(path).st_mode & 0o100 else "0644", digest)
    return own


def chosen_modules(definition, files):
    """Those modules that the definition's patterns choose (docs/definition.md, "Patterns of modules")."""
    def folded(name):
        return name.replace("-", "_")
    modules = {path: re.sub(r"^usr/lib/modules/[^/]*/|\.ko$", "", path) for path in files if path.endswith(".ko")}
    patterns = definition["kernel"]["modules"]
    chosen = set() if patterns else set(modules)
    for pattern in patterns:
        glob = pattern.lstrip("!-")
        compiled = re.compile(expression(glob if "/" in glob else folded(glob)))
        matching = {path for path, module in modules.items()
                    if compiled.fullmatch(module if "/" in glob else folded(os.path.basename(module)))}
        chosen = chosen - matching if re.match("-?!", pattern) else chosen | matching
    return chosen


def destination(path, target):
    """Where a link leads from its folder, as a path without a leading "/"; /bin and its like are folders of /usr."""
    place = os.path.normpath(os.path.join("/" + os.path.dirname(path), target))[1:]
    return re.sub(r"^(bin|sbin|lib|lib64)/", r"usr/\1/", place)


class Comparison:
    """A comparison, which collects complaints: what is different, and explained by nothing."""

    def __init__(self, definition, rules, own, kernel, packages, there, here):
        self.definition, self.rules, self.own, self.kernel = definition, rules, own, kernel
        self.packages, self.owners = packages, there["owners"]
        self.there, self.here, self.judged = there["files"], here["files"], there["judged"]
        self.texts = there["texts"], here["texts"]
        self.exclude = Patterns(definition.get("exclude", []), "(/.*)?")
        self.keep = Patterns(definition.get("keep", []), "(/.*)?")
        self.chosen = chosen_modules(definition, self.there)
        name_owners(there)
        names = name_owners(here)
        self.var = tmpfiles_lines([here["texts"][VAR]], names)
        others = [path for path in sorted(here["texts"]) if "/tmpfiles.d/" in path and path != VAR]
        self.tmpfiles = tmpfiles_lines([here["texts"][path] for path in others], names)
        self.complaints = []

    def complain(self, path, text):
        self.complaints.append(f"{path}: {text}")
        for rule in self.rules:
            if rule.matches(path):
                rule.used = True  # that it does not fit is said already

    def explained(self, path, kind, test=lambda rule: True):
        """Whether a rule of the kind has the path and fits."""
        for rule in self.rules:
            if rule.kind == kind and rule.matches(path) and test(rule):
                rule.used = True
                return True
        return False

    def is_excluded(self, path):
        return self.exclude.match(path) and not self.keep.match(path)

    def is_foreign(self, path):
        """Whether only packages have the path that the image is not made of: Debian's tools need them."""
        return path in self.owners and not self.packages.intersection(self.owners[path])

    def is_left_out(self, path):
        """Whether the definition says that nothing is to be here."""
        return self.is_foreign(path) or self.is_excluded(path) or \
            os.path.basename(path) in masked(self.definition)

    def is_pointless(self, path):
        """Whether this is a link to what is left out, or a folder with nothing but such links."""
        if self.there[path][0] == "l":
            return self.is_left_out(self.behind(path))
        below = [other for other in self.there if other.startswith(path + "/")]
        return below != [] and all(self.there[other][0] == "l" and self.is_pointless(other) for other in below)

    def behind(self, path):
        """Where a link of their tree leads, through /etc/alternatives; None for what is no link."""
        kind, _, _, _, target, _ = self.there[path]
        if kind != "l":
            return None
        place = destination(path, target)
        if place.startswith("etc/alternatives/") and place in self.there:
            return self.behind(place)
        return place

    def wanted(self, path):
        """What a path of their tree is to be here: setuid and setgid bits are only for whom the definition names."""
        if path in self.own:
            return self.own[path]
        kind, mode, *rest = self.there[path]
        if kind == "f" and path not in self.definition.get("setuid", []):
            mode = f"{int(mode, 8) & ~0o6000:04o}"
        return [kind, mode, *rest]

    def judge_both(self, path):
        here, want = self.here[path], self.wanted(path)
        if here == want or self.is_judged(path):
            return
        if here[:1] + here[2:] == want[:1] + want[2:]:
            if self.explained(path, "mode", lambda rule: rule.words == [want[1], here[1]]):
                return
        elif here[:4] == want[:4] and here[5] == want[5] and self.same_value(path, here[0], want[4], here[4]):
            return
        self.complain(path, f"is {say(here)}, not {say(want)}")

    def same_value(self, path, kind, there, here):
        """Whether the difference between two contents, or two targets of a link, is explained."""
        if kind == "l":
            # The finisher "alternatives" makes links that lead to the programs.
            if there.startswith("/etc/alternatives/") and self.behind(path) == destination(path, here):
                return True
            if destination(path, there) == destination(path, here):
                return self.explained(path, "leads")
            return self.explained(path, "target", lambda rule: rule.words == [there, here])
        if self.explained(path, "replaced"):
            return True
        texts = [text[path] for text in self.texts if path in text]
        return len(texts) == 2 and self.explained(path, "content", lambda rule: same_content(rule.words, *texts))

    def judge_var(self, path):
        """A file in /var has to be left by rule; folders and links are made by tmpfiles.d when the node starts."""
        kind, mode, uid, gid, target, _ = self.there[path]
        if path in self.tmpfiles:
            want = None
        elif kind == "l":
            want = ["L", "-", "-", "-", target]
        else:
            want = ["d", mode, uid, gid, "-"]
        made = self.var.get(path)
        if kind in "dl" and made == want or self.explained(path, "left"):
            return
        if made and kind == "d" and made[:2] == want[:2] and self.explained(
                path, "owner", lambda rule: rule.words == [f"{uid}:{gid}", f"{made[2]}:{made[3]}"]):
            return
        self.complain(path, f"is made {made} by tmpfiles.d, and is {say(self.there[path])}")

    def judge_missing(self, path):
        kind = self.there[path][0]
        if path.startswith("boot/vmlinuz-") or re.fullmatch("usr/lib/modules/[^/]*/vmlinuz", path):
            if self.there[path][4] != self.kernel:
                self.complain(path, "is not the kernel of the kernel image")
        elif path.startswith("var/"):
            self.judge_var(path)
        elif path.endswith(".ko"):
            if path in self.chosen:
                self.complain(path, "is missing, and the definition wants the module")
        elif kind == "d" and re.match("usr/lib/modules/[^/]*/kernel/", path):
            pass  # no module of it was chosen
        elif kind in "dl" and not path.startswith(("usr/", "etc/")):
            pass  # the root and its folders are orlop-init's and systemd's business
        elif self.is_pointless(path):
            pass  # alternatives and units of what is not here
        elif not self.explained(path, "left"):
            self.complain(path, f"is missing ({say(self.there[path])})")

    def fits(self, rule, path):
        """Whether a path that only the image has is as a rule says."""
        here = self.here[path]
        if rule.kind == "folder":
            return here == entry("d", "0755")
        if rule.kind == "file":
            return here[:2] + [f"{here[2]}:{here[3]}"] + here[5:] == ["f", *rule.words, {}]
        place = destination(path, here[4])
        return here == entry("l", "0777", here[4]) and re.fullmatch(expression(rule.words[0]), here[4]) and \
            (place in self.here or not place.startswith(("usr/", "etc/")))

    def is_judged(self, path):
        """Whether a path is as one of Debian's programs makes it."""
        here, want = self.here[path], self.judged.get(path)
        if here == want:
            return self.explained(path, "judged", lambda rule: not rule.words)
        texts = self.texts[0].get(JUDGED + path, ""), self.texts[1].get(path, "")
        return want and here[:4] == want[:4] and sorted(texts[0].splitlines()) == sorted(texts[1].splitlines()) and \
            self.explained(path, "judged", lambda rule: rule.words == ["sorted"])

    def judge_added(self, path):
        here = self.here[path]
        if path in self.own:
            if here != self.own[path]:
                self.complain(path, f"is {say(here)}, not {say(self.own[path])}")
        elif self.is_judged(path) or any(
                self.explained(path, kind, lambda rule: self.fits(rule, path)) for kind in ("file", "link", "folder")):
            pass
        elif here != entry("d", "0755") or not any(own.startswith(path + "/") for own in self.own):
            self.complain(path, f"is only here ({say(here)})")

    def run(self):
        for path in self.there:
            if self.is_excluded(path):
                if path in self.here and path not in self.own:
                    self.complain(path, "is there although the definition leaves it out")
            elif path in self.here:
                self.judge_both(path)
            elif not self.is_foreign(path):
                self.judge_missing(path)
        for path in self.here:
            if path not in self.there:
                self.judge_added(path)
        for path in self.judged:
            if path not in self.here and path not in self.there and not self.explained(path, "left"):
                self.complain(path, f"is missing, and Debian's tools make it of the image ({say(self.judged[path])})")
        for path in self.own:
            if path not in self.here:
                self.complain(path, "is missing, and the edition has it")
        for path in self.var:
            if path not in self.there:
                self.complain(path, "tmpfiles.d makes what nothing has")
        for rule in self.rules:
            if not rule.used:
                self.complain("rule", f"\"{rule.line}\" explains nothing")
        for glob in self.exclude.globs:
            if glob not in self.exclude.used and not glob.startswith("-"):
                self.complain("exclude", f"\"{glob}\" leaves nothing out")
        return sorted(self.complaints)


# ---- Command line ----

def read_json(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def command_widen(path):
    """
    Prints a definition of what Debian's tools need to install the packages of another one: nothing is absent, and what is
    essential in Debian is there, which packages use without saying so.
    """
    with open(path, encoding="utf-8") as file:
        definition = yaml.safe_load(file)
    essential = [package for package in ESSENTIAL if package not in definition["packages"]]
    yaml.safe_dump({"extends": os.path.abspath(path), "name": "widened", "title": "Widened", "packages": essential,
                    "without": {"absent": definition["absent"]}}, sys.stdout)


def command_list(side, tar, rules):
    json.dump(list_tar(tar, side, read_rules(rules)), sys.stdout)


def command_compare(suite, definition, rules, overlay, kernel, there, here, manifest):
    with open(definition, encoding="utf-8") as file:
        definition = yaml.safe_load(file)
    packages = {package["name"] for package in read_json(manifest)["packages"]}
    complaints = Comparison(definition, read_rules(rules, suite), own_entries(definition, overlay), kernel, packages,
                            read_json(there), read_json(here)).run()
    print("".join(complaint + "\n" for complaint in complaints), end="")
    return len(complaints) > 0


if __name__ == "__main__":
    sys.exit({"widen": command_widen, "list": command_list, "compare": command_compare}[sys.argv[1]](*sys.argv[2:]))
