"""Unpacks chosen members of a wheel and prints a line for each.

Arguments: the wheel, the folder to write to, then rules `FROM=TO`.
FROM is a member, or a folder that ends with `/`; `lib:FROM=TO` takes only the
shared libraries of a folder. A rule that matches nothing is an error.
Each line is `sha256  bytes  path`, the path relative to the folder.
"""

import hashlib
import os
import sys
import zipfile

wheel, folder, *rules = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive:
    members = [m for m in archive.infolist() if not m.is_dir()]
    for rule in rules:
        source, _, target = rule.partition("=")
        libraries = source.startswith("lib:")
        source = source[4:] if libraries else source
        matched = False
        for member in members:
            name = member.filename
            if name != source and not (source.endswith("/") and name.startswith(source)):
                continue
            if libraries and ".so" not in name.rsplit("/", 1)[-1]:
                continue
            path = target + name[len(source):]
            if ".." in path.split("/") or path.startswith("/"):
                sys.exit(f"{wheel}: refusing the member {name!r}")
            full = os.path.join(folder, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            digest = hashlib.sha256()
            with archive.open(member) as packed, open(full, "wb") as plain:
                for block in iter(lambda: packed.read(1 << 20), b""):
                    digest.update(block)
                    plain.write(block)
            print(digest.hexdigest(), member.file_size, path, sep="  ", flush=True)
            matched = True
        if not matched:
            sys.exit(f"{wheel}: nothing matches {rule!r}")
