#!/usr/bin/env python3
"""kinds.py GOLDEN_DIR: every kind of finding of the rules of spec 3 is provoked by some golden config, with a
path and a position."""
import pathlib
import re
import sys

KINDS = """
duplicate entry defined
unused key fancy
invalid compression method
source is required
source must be specified if verification is specified
invalid url scheme
unable to parse url
invalid S3 ARN format
invalid S3 object VersionId
malformed hash specifier
incorrect size for hash sum
unrecognized hash function
HTTP header name can't be empty
unable to parse HTTP header
cannot use HTTP headers with this source scheme
proxies must be http(s)
insecure plaintext HTTP proxy specified for HTTPS resources
path not specified
path not absolute
path is not fully simplified
overwrite must be false if source is unspecified
cannot set both id and name
illegal file mode
setuid/setgid/sticky bits are not supported or functional in spec versions older than 3.6.0
file path includes link in config
directory path includes link in config
link path includes link in config
link target is required
hard link target is a directory
user/group ignored for hard link
path conflicts with systemd unit or dropin
disk device is required
partition numbers collide
partitions overlap
cannot use the same partition label twice
a partition number >= 1 or a label must be specified
shouldExist specified false with other options also specified
partition labels may not exceed 36 characters
partition label will be truncated to text before the colon
doesn't match the form "01234567-89AB-CDEF-EDCB-A98765432101"
raid level is required
unrecognized raid level
raid devices required
spares unsupported for linear and raid0 arrays
invalid filesystem format
format cannot be empty when path, label, uuid, wipeFilesystem, options, or mountOptions is specified
filesystem must specify format if label is specified
filesystem labels cannot be longer than 16 characters when using ext4
filesystem labels cannot be longer than 256 characters when using btrfs
filesystem labels cannot be longer than 12 characters when using xfs
filesystem labels cannot be longer than 15 characters when using swap
filesystem labels cannot be longer than 11 characters when using vfat
filesystem overwrites partitioned device
device matches disk with wipeTable enabled; filesystem will be wiped
luks device labels cannot be longer than 47 characters
device names cannot contain slashes
invalid key-file source
missing required custom clevis pin
missing required custom clevis config
unsupported clevis pin
cannot use custom clevis config with tpm2, tang, or threshold
thumbprint is required
advertisement is not valid JSON
cannot use cex with clevis
cannot use key file with cex
volume group name is required
volume name is required
volume group devices required
names of volume groups and volumes have letters, digits and + _ . - only, and begin with no -
names of volume groups and volumes cannot be longer than 127 characters
the names of group and volume together cannot be longer than 125 characters
the name is reserved
the size of a volume cannot be negative
the size of a volume is given by sizeMiB, not by an option
the name of a volume is given by name, not by an option
only one volume of a group can take all that is left: sizeMiB is required
a device cannot be in two volume groups
a device cannot be in a volume group and in an array
a device cannot be in a volume group and hold an encrypted volume
a device cannot be in a volume group and hold a filesystem
invalid systemd unit extension
invalid systemd drop-in extension
invalid unit content: unable to find end of section
unit "a.service" is enabled, but has no install section so enable does nothing
template unit "echo@.service" for "echo@a.service" doesn't have Install section
expected a string, found a number
expected an object, found a list
a string cannot hold NUL characters
""".strip().splitlines()

seen = set()
for report in pathlib.Path(sys.argv[1]).glob('3.*/*/*.report'):
    for line in report.read_text().splitlines():
        m = re.match(r'(?:error|warning) at \$[.\w]*, line \d+ col \d+: (.*)$', line)
        if not m:
            sys.exit(f'{report}: not a finding with a path and a position: {line}')
        seen.add(m[1])
missing = [k for k in KINDS if k not in seen]
print('\n'.join(f'never provoked: {k}' for k in missing) or f'{len(KINDS)} kinds')
sys.exit(1 if missing else 0)
