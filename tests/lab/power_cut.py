# SPDX-License-Identifier: Apache-2.0
"""What may be on the disk after a power cut, at each system call of a trace (syscalls.py).

A file's data is safe when the file was flushed, a name when its folder was.  What was not flushed may
be there or not; tried are the two ends and what journals make likely: none of it, all of it, and all
names without the data."""
import ast
import re

FILES = {"open", "openat", "write", "ftruncate", "pwrite64", "fsync", "fdatasync", "mkdir", "mkdirat",
         "unlink", "unlinkat", "rmdir", "rename", "renameat", "renameat2"}
QUOTED = r'"(?:[^"\\]|\\.)*"'
OPENED = re.compile(rf'({QUOTED}), ([A-Z_|]+)')
DESCRIPTOR = re.compile(r"^\d+<([^>]*)>")
WRITTEN = re.compile(rf'^\d+<([^>]*)>, ({QUOTED}), \d+')


def text(quoted):
    return ast.literal_eval("b" + quoted)


class File:
    def __init__(self, data=b""):
        self.data = self.safe = data


class Folder:
    def __init__(self):
        self.names, self.safe = {}, {}

    def tree(self, names, data, path=""):
        """{path: bytes, or None for a folder}; names and data say which of them are all there."""
        found = {}
        for name, node in (self.names if names else self.safe).items():
            where = f"{path}{name}"
            if isinstance(node, Folder):
                found[where] = None
                found.update(node.tree(names, data, where + "/"))
            else:
                found[where] = node.data if data else node.safe
        return found


def read(folder):
    """A folder of the disk, all of it safe."""
    node = Folder()
    for entry in folder.iterdir():
        node.names[entry.name] = read(entry) if entry.is_dir() else File(entry.read_bytes())
    node.safe = dict(node.names)
    return node


class Disk:
    """The folder `top`, to which a trace's calls are done."""

    def __init__(self, top):
        self.top = str(top)
        self.root = read(top)

    def find(self, path):
        """(the folder, the name in it); None: not below `top`."""
        if not path.startswith(self.top + "/"):
            return None
        node = self.root
        *folders, name = path[len(self.top) + 1:].split("/")
        for part in folders:
            node = node.names.get(part)
            if not isinstance(node, Folder):
                return None
        return node, name

    def node(self, path):
        if path == self.top:
            return self.root
        place = self.find(path)
        return place and place[0].names.get(place[1])

    def do(self, call):
        """True: it changed something, or made it safe."""
        if not call.changes() or call.name not in FILES:
            return False
        if call.name in ("write", "ftruncate", "pwrite64"):
            return self.write(call)
        paths = [text(q).decode() for q in re.findall(QUOTED, call.arguments)]
        if call.name in ("open", "openat"):
            return self.create(*OPENED.search(call.arguments).groups())
        if call.name in ("fsync", "fdatasync"):
            return self.flush(DESCRIPTOR.match(call.arguments).group(1))
        if call.name in ("mkdir", "mkdirat"):
            return self.put(paths[0], Folder())
        if call.name in ("unlink", "unlinkat", "rmdir"):
            return self.remove(self.absolute(call, paths[0]))
        if call.name.startswith("rename"):
            return self.rename(*paths, exchange="RENAME_EXCHANGE" in call.arguments)
        raise AssertionError(f"not understood: {call}")

    @staticmethod
    def absolute(call, path):
        found = DESCRIPTOR.match(call.arguments)
        return path if path.startswith("/") or not found else f"{found.group(1)}/{path}"

    def put(self, path, node):
        place = self.find(path)
        if place:
            place[0].names[place[1]] = node
        return bool(place)

    def create(self, quoted, flags):
        path = text(quoted).decode()
        there = self.node(path)
        if isinstance(there, File):
            if "O_TRUNC" in flags:
                there.data = b""
            return "O_TRUNC" in flags
        return self.put(path, File()) if "O_CREAT" in flags else False

    def write(self, call):
        found = WRITTEN.match(call.arguments)
        node = self.node(DESCRIPTOR.match(call.arguments).group(1))
        if not isinstance(node, File):
            return False
        assert found and call.name == "write", f"not understood: {call}"
        node.data += text(found.group(2))[:call.result]
        return True

    def flush(self, path):
        node = self.node(path)
        if isinstance(node, File):
            node.safe = node.data
        elif node:
            node.safe = dict(node.names)
        return node is not None

    def remove(self, path):
        place = self.find(path)
        return place is not None and place[0].names.pop(place[1], None) is not None

    def rename(self, old, new, exchange):
        a, b = self.find(old), self.find(new)
        if not a or not b:
            return False
        node, other = a[0].names.pop(a[1]), b[0].names.pop(b[1], None)
        b[0].names[b[1]] = node
        if exchange:
            a[0].names[a[1]] = other
        return True

    def after_power_cut(self):
        return [self.root.tree(*there) for there in ((False, False), (True, False), (True, True))]


def states(disk, calls):
    """Every different state that a power cut may leave: [(call, {path: bytes})]."""
    seen, found = set(), []
    for call in [None, *calls]:
        if call and not disk.do(call):
            continue
        for tree in disk.after_power_cut():
            key = tuple(sorted(tree.items(), key=lambda item: item[0]))
            if key not in seen:
                seen.add(key)
                found.append((call, tree))
    return found
