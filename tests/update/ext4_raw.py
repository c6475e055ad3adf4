"""An ext4 file system as a boot loader reads it: what stands in its place on the disk, the journal not replayed, no
checksum looked at, directories from their beginning to their end."""
import stat
import struct


class Damaged(Exception):
    pass


class Ext4:
    def __init__(self, disk, start=0):
        self.disk, self.start = disk, start
        sb = self.at(1024, 1024)
        first, log = struct.unpack_from("<II", sb, 20)
        self.block = 1024 << log
        self.per_group, = struct.unpack_from("<I", sb, 40)
        self.inode_size, = struct.unpack_from("<H", sb, 88)
        incompatible, = struct.unpack_from("<I", sb, 96)
        self.wide = bool(incompatible & 0x80)
        self.desc_size = struct.unpack_from("<H", sb, 254)[0] if self.wide else 32
        self.descs = (first + 1) * self.block
        if struct.unpack_from("<H", sb, 56)[0] != 0xEF53 or not incompatible & 0x40:
            raise Damaged("no ext4")

    def at(self, offset, n):
        return bytes(self.disk[self.start + offset:self.start + offset + n])

    def inode(self, number):
        if number == 0:
            raise Damaged("inode 0")
        group, index = divmod(number - 1, self.per_group)
        desc = self.at(self.descs + group * self.desc_size, self.desc_size)
        table = struct.unpack_from("<I", desc, 8)[0]
        if self.wide:
            table |= struct.unpack_from("<I", desc, 40)[0] << 32
        return self.at(table * self.block + index * self.inode_size, 128)

    def mode(self, inode):
        return struct.unpack_from("<H", inode, 0)[0]

    def size(self, inode):
        return struct.unpack_from("<I", inode, 4)[0] | struct.unpack_from("<I", inode, 108)[0] << 32

    def extents(self, node, depth_max=5):
        magic, entries, most, depth = struct.unpack_from("<HHHH", node, 0)
        if magic != 0xF30A or entries > most or 12 + 12 * entries > len(node) or depth > depth_max:
            raise Damaged("extents that are none")
        for i in range(entries):
            first, a, b, c = struct.unpack_from("<IHHI", node, 12 + 12 * i)
            if depth == 0:
                yield first, a & 0x7FFF if a > 0x8000 else a, c | b << 32, a > 0x8000
            else:
                first, low, high = struct.unpack_from("<IIH", node, 12 + 12 * i)
                yield from self.extents(self.at((low | high << 32) * self.block, self.block), depth - 1)

    def contents(self, inode, limit=64 << 20):
        size = self.size(inode)
        if size > limit:
            raise Damaged(f"a file of {size} bytes")
        if not struct.unpack_from("<I", inode, 32)[0] & 0x80000:
            raise Damaged("a file without extents")
        out = bytearray(size)
        for first, n, where, unwritten in self.extents(inode[40:100]):
            here = first * self.block
            take = min(n * self.block, size - here)
            if take > 0 and not unwritten:
                out[here:here + take] = self.at(where * self.block, take)
        return bytes(out)

    def names(self, inode):
        data, at, out = self.contents(inode), 0, {}
        while at + 8 <= len(data):
            number, step, length = struct.unpack_from("<IHB", data, at)
            if step < 8:
                raise Damaged("a directory entry without a length")
            if number:
                out.setdefault(data[at + 8:at + 8 + length].decode(errors="replace"), number)
            at += step
        return out

    def target(self, inode):
        size = self.size(inode)
        if size < 60:
            return inode[40:40 + size].split(b"\0")[0].decode(errors="replace")
        return self.contents(inode).decode(errors="replace")

    def find(self, path, links=8):
        """The inode of a path; every link is followed, the last one too."""
        here, parts = [2], [p for p in path.split("/") if p]
        while parts:
            name = parts.pop(0)
            if name == "..":
                here = here[:-1] or [2]
                continue
            if name == ".":
                continue
            directory = self.inode(here[-1])
            if not stat.S_ISDIR(self.mode(directory)):
                raise Damaged(f"{path}: what should be a directory is none")
            number = self.names(directory).get(name)
            if number is None:
                raise Damaged(f"{path}: there is no {name}")
            inode = self.inode(number)
            if not stat.S_ISLNK(self.mode(inode)):
                here.append(number)
                continue
            to = self.target(inode)
            if links == 0 or not to:
                raise Damaged(f"{path}: {name} is a link to {to!r}")
            links -= 1
            here = [2] if to.startswith("/") else here
            parts = [p for p in to.split("/") if p] + parts
        return self.inode(here[-1])

    def list(self, path):
        return [n for n in self.names(self.find(path)) if n not in (".", "..")]

    def read(self, path):
        inode = self.find(path)
        if not stat.S_ISREG(self.mode(inode)):
            raise Damaged(f"{path}: no regular file")
        return self.contents(inode)
