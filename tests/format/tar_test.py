"""tar_test TAR_LIST: streams that Python's tarfile writes, in its three forms, are read as they were meant; damaged and
hostile ones are refused with the reason. Each is fed whole and in pieces of odd sizes."""
import io
import subprocess
import sys
import tarfile

FORMS = {'ustar': tarfile.USTAR_FORMAT, 'gnu': tarfile.GNU_FORMAT, 'pax': tarfile.PAX_FORMAT}
PIECES = (1 << 20, 1, 511, 513)
LETTERS = {tarfile.REGTYPE: 'f', tarfile.LNKTYPE: '1', tarfile.SYMTYPE: 'l', tarfile.CHRTYPE: 'c',
           tarfile.BLKTYPE: 'b', tarfile.DIRTYPE: 'd', tarfile.FIFOTYPE: 'p'}


def run(stream, piece=4096):
    done = subprocess.run([sys.argv[1], str(piece)], input=stream, capture_output=True)
    assert done.returncode in (0, 1), done
    return done.returncode, done.stdout.decode('utf-8', 'surrogateescape'), done.stderr.decode()


def member(name, kind=tarfile.REGTYPE, link='', size=0, mode=0o644, uid=0, gid=0, **pax):
    t = tarfile.TarInfo(name)
    t.type, t.linkname, t.size, t.mode, t.uid, t.gid = kind, link, size, mode, uid, gid
    t.pax_headers = pax
    return t


def content(n):
    return bytes((i * 7 + n) % 256 for i in range(n))


def written(form, members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode='w', format=form) as tar:
        for t in members:
            tar.addfile(t, io.BytesIO(content(t.size)))
    return out.getvalue()


def expected(members):
    lines = []
    for t in members:
        path = t.name + '/' if t.isdir() and not t.name.endswith('/') else t.name
        xattrs = ''.join(f' [{k[13:]}={v}]' for k, v in t.pax_headers.items() if k.startswith('SCHILY.xattr.'))
        link = f' -> {t.linkname}' if t.linkname else ''
        lines.append(f'{LETTERS[t.type]} {t.mode:04o} {t.uid}:{t.gid} {t.size} {path}{link}{xattrs}')
        if t.isreg():
            total = 0
            for c in content(t.size):
                total = (total * 31 + c) % (1 << 64)
            lines.append(f'  {total}')
    return '\n'.join(lines) + '\n'


def test_what_tarfile_writes():
    plain = [
        member('./', tarfile.DIRTYPE, mode=0o755),
        member('usr/bin/a', size=1, mode=0o4755),
        member('usr/bin/empty'),
        member('usr/bin/b', tarfile.LNKTYPE, 'usr/bin/a'),
        member('lib', tarfile.SYMTYPE, 'usr/lib', mode=0o777),
        member('dev/null', tarfile.CHRTYPE), member('dev/vda', tarfile.BLKTYPE), member('run/f', tarfile.FIFOTYPE),
        member('exact', size=512), member('more', size=70001, uid=12345, gid=54321),
        member('d' * 90 + '/' + 'f' * 60, size=3),  # ustar needs its prefix for this
    ]
    long = [member('é' + 'x' * 300, size=5), member('s', tarfile.SYMTYPE, 'y' * 400), member('z', size=2)]
    for name, form in FORMS.items():
        members = plain + (long if name != 'ustar' else [])
        if name == 'pax':
            members = members + [member('with', size=4, **{'SCHILY.xattr.user.a': '1', 'SCHILY.xattr.user.b': 'two'}),
                                 member('without', size=1), member('big-id', uid=3000000000, gid=3000000001)]
        if name == 'gnu':
            members = members + [member('big-id', uid=3000000000, gid=3000000001)]
        for piece in PIECES:
            code, out, err = run(written(form, members), piece)
            assert code == 0, (name, piece, err)
            assert out == expected(members), (name, piece, out, expected(members))


def block(name=b'a', size=b'00000000000', kind=b'0', mode=b'0000644', magic=b'ustar\0' + b'00', uid=b'0000000'):
    b = bytearray(512)
    for at, field in ((0, name), (100, mode), (108, uid), (116, b'0000000'), (124, size), (156, kind), (257, magic)):
        b[at:at + len(field)] = field
    b[148:156] = b' ' * 8
    b[148:156] = b'%06o\0 ' % sum(b)
    return bytes(b)


def padded(data):
    return data + bytes(-len(data) % 512)


def pax(*records):
    text = b''
    for r in records:
        n = len(r) + 3
        while len(b'%d %s\n' % (n, r)) != n:
            n += 1 if len(b'%d %s\n' % (n, r)) > n else -1
        text += b'%d %s\n' % (n, r)
    return block(b'pax', b'%011o' % len(text), b'x') + padded(text)


END = bytes(1024)


def test_what_is_refused():
    damaged = bytearray(block())
    damaged[0] ^= 1
    for stream, reason in (
            (b'no tar stream' * 100, 'no header of an entry'),
            (bytes(damaged) + END, 'no header of an entry'),
            (block()[:300], 'ends within an entry'),
            (block(size=b'00000001000') + bytes(100), 'ends within an entry'),
            (pax(b'path=x'), 'ends within an entry'),
            (block(kind=b'S') + END, "of the type 'S'"),
            (block(kind=b'V') + END, "of the type 'V'"),
            (block(name=b'') + END, 'without a name'),
            (pax(b'GNU.sparse.map=0,1') + block() + END, 'sparse'),
            (pax(b'path=a\0b') + block() + END, 'cannot be'),
            (pax(b'path=' + b'x' * 5000) + block() + END, 'cannot be'),
            (pax(b'size=-1') + block() + END, 'cannot be'),
            (pax(b'size=99999999999999999999') + block() + END, 'cannot be'),
            (pax(b'uid=4294967295') + block() + END, 'user or group'),
            (pax(b'=x') + block() + END, 'damaged'),
            (block(b'pax', b'00000000005', b'x') + padded(b'9 a=b') + block() + END, 'damaged'),
            (block(b'pax', b'00000000004', b'x') + padded(b'2 ab') + block() + END, 'damaged'),
            (pax(b'path=x') + pax(b'path=y') + block() + END, 'two extended headers'),
            (pax(*[b'SCHILY.xattr.user.%d=x' % i for i in range(300)]) + block() + END, 'cannot be'),
            (block(b'l', b'%011o' % (2 << 20), b'L') + END, 'larger than a MiB'),
            (block(b'l', b'00000000000', b'L') + END, 'is empty'),
            (block(b'l', b'%011o' % 5000, b'L') + padded(b'x' * 5000) + block() + END, 'too long'),
            (block(size=b'\xff' + b'\xff' * 10) + END, 'a size that cannot be'),
            (block(mode=b'8888888') + END, 'cannot be read'),
    ):
        for piece in PIECES:
            code, _, err = run(stream, piece)
            assert code == 1 and reason in err, (reason, piece, code, err)


def test_what_is_odd_but_good():
    for stream, line in (
            (b'', ''),
            (END, ''),
            (block(), 'f 0644 0:0 0 a\n  0\n'),  # no end marker
            (block() + END + b'anything', 'f 0644 0:0 0 a\n  0\n'),
            (block(name=b'old/', kind=b'\0', magic=b''), 'd 0644 0:0 0 old/\n'),
            (block(name=b'l', kind=b'1', size=b'00000001000') + END, '1 0644 0:0 0 l\n'),  # a size that means nothing
            (block(b'g', b'00000000005', b'g') + padded(b'what?') + block(), 'f 0644 0:0 0 a\n  0\n'),
            (pax(b'comment=x', b'path=one', b'path=two') + block(), 'f 0644 0:0 0 two\n  0\n'),
    ):
        code, out, err = run(stream)
        assert code == 0 and out == line, (line, out, err)


for test_name, test in list(globals().items()):
    if test_name.startswith('test_'):
        test()
        print(test_name)
