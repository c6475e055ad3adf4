# What the boot's scripts share: the kernel command line, and where the root and the boot filesystem are.
# The last word of a name counts, as it does for the kernel's own.

karg() {
    karg_value=
    # shellcheck disable=SC2013 # words, not lines
    for karg_word in $(cat "${BASALT_CMDLINE:-/proc/cmdline}"); do
        case $karg_word in
            "$1") karg_value=$1 ;;
            "$1="*) karg_value=${karg_word#"$1="} ;;
        esac
    done
    printf '%s\n' "$karg_value"
}

karg_on() {
    case $(karg "$1") in
        '' | 0 | no | off) return 1 ;;
    esac
}

# The node of LABEL=, UUID=, PARTLABEL=, PARTUUID= or a path; fails for what is no block device, such as nfs.
tag_device() {
    case $1 in
        /dev/nfs | /dev/gpt-auto-root-luks) return 1 ;;
        /dev/*) printf '%s\n' "$1" ;;
        LABEL=* | UUID=* | PARTLABEL=* | PARTUUID=*)
            tag_kind=$(printf '%s' "${1%%=*}" | sed 'y/ABCDEFGHIJKLMNOPQRSTUVWXYZ/abcdefghijklmnopqrstuvwxyz/')
            tag_name=$(printf '%s' "${1#*=}" | sed 's,^"\(.*\)"$,\1,; s,/,\\x2f,g; s, ,\\x20,g')
            printf '/dev/disk/by-%s/%s\n' "$tag_kind" "$tag_name"
            ;;
        *) return 1 ;;
    esac
}

root_device() {
    root_word=$(karg root)
    tag_device "${root_word#block:}"
}

# /boot when it is a filesystem of its own: by its label, or as boot= of the kernel command line says.
boot_device() {
    boot_word=$(karg boot)
    tag_device "${boot_word:-LABEL=boot}"
}

# Mounts the root where it is there already. It may be one that the disks stage is about to replace.
root_mount() {
    root_node=$(root_device) && [ -b "$root_node" ] || return 1
    root_flags=$(karg rootflags)
    root_type=$(karg rootfstype)
    mount -t "${root_type:-auto}" -o "$2${root_flags:+,$root_flags}" "$root_node" "$1" 2>/dev/null
}
