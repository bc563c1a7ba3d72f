# SPDX-License-Identifier: LGPL-2.1-or-later
"""
What truth.py reads in files: lines of tmpfiles.d, and what is the same in two files whose content is not. A rule names the
normaliser, and the lines that only one of them has.
"""
import re


def tmpfiles_lines(texts, names):
    """What lines of tmpfiles.d(5) make in /var: path -> type, mode, owner, group, target."""
    lines = {}
    for line in "\n".join(texts).splitlines():
        words = line.split()
        if words and words[0][0] in "CDLQbcdfpqv" and words[1].startswith("/var/"):
            words += ["-"] * (7 - len(words))
            words[3:5] = [names[i].get(int(word)) if word.isdigit() else word for i, word in enumerate(words[3:5])]
            lines.setdefault(words[1][1:].replace("%%", "%"), [words[0][0], *words[2:5], words[6]])
    return lines


def as_lines(text):
    """Lines in their order, without comments and superfluous blanks."""
    lines = [" ".join(line.split("#")[0].split()) for line in text.splitlines()]
    return [line.replace(" ", "_") for line in lines if line]


def as_accounts(text):
    """
    Lines of passwd, group, shadow or gshadow as "NAME:…", in order of the names: no ids but the fixed ones, and of passwords
    only that there is none.
    """
    accounts = []
    for line in text.splitlines():
        name, password, *fields = line.split(":")
        if password == "x" or password.startswith(("!", "*")):
            password = "none"
        if len(fields) == 7:
            fields = []  # shadow: days
        else:
            fields = ["id" if re.fullmatch("[1-9][0-9]{2}", field) else field for field in fields]
        accounts.append(":".join([name, password, *fields]).replace(" ", "_"))
    return sorted(accounts)


NORMALISERS = {"lines": as_lines, "accounts": as_accounts}


def same_content(words, there, here):
    """
    Whether two texts are the same to the normaliser, but for words: "-WORD" is a line that only they have, "+WORD" one that
    only we have; of accounts the name is enough.
    """
    normalise = NORMALISERS[words[0]]
    there, here = normalise(there), normalise(here)
    for word in words[1:]:
        lines = there if word[0] == "-" else here
        matching = [line for line in lines if word[1:] in (line, line.split(":")[0])]
        if not matching:
            return False
        for line in matching:
            lines.remove(line)
    return there == here
