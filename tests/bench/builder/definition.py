# definition.py EDITION FOLDER COMPRESSION PIN
#
# Writes FOLDER/bench.yaml: an edition that starts without a TPM and that another program can build, too. Nothing that packages depend on
# counts as installed, all of their files stay, and so do all modules; in a FOLDER that is called "edition" these are left as they are.
# COMPRESSION is "none" or "ALGORITHM[-LEVEL]"; PIN, where not empty, is "NAME=VERSION" of a package that another version of gets its place.
import os
import sys

import yaml

edition, folder, compression, pin = sys.argv[1:]
with open(edition, encoding="utf-8") as file:
    definition = yaml.safe_load(file)
del definition["require"]
definition.update(name="bench", title="Bench")
if os.path.basename(folder) != "edition":
    del definition["absent"], definition["links"]
    definition["exclude"] = ["boot/System.map-*", "boot/config-*"]
    definition["kernel"]["modules"] = []
if pin:
    definition["packages"] = [name for name in definition["packages"] if name != pin.split("=")[0]] + [pin]
if compression != "none":
    definition["compression"] = compression.replace("-", ":")
os.makedirs(folder, exist_ok=True)
with open(folder + "/bench.yaml", "w", encoding="utf-8") as file:
    yaml.safe_dump(definition, file)
link = folder + "/" + definition["files"]
if not os.path.islink(link):
    os.symlink(os.path.abspath(os.path.join(os.path.dirname(edition), definition["files"])), link)
