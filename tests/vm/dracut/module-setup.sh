#!/bin/bash
# The tests' dracut module: the agent, what fills an empty root, and tools to look with.

check() {
    return 255
}

depends() {
    echo systemd udev-rules
}

installkernel() {
    instmods -c virtio_pci virtio_console virtio_scsi virtio_blk virtio_net sd_mod qemu_fw_cfg \
        ext4 xfs btrfs vfat nls_iso8859_1 nls_cp437 nls_ascii loop \
        dm_mod dm_crypt dm_raid dm_mirror dm_snapshot dm_integrity dm_thin_pool dm_flakey \
        raid0 raid1 raid10 raid456 linear multipath scsi_debug tpm_tis tpm_crb \
        aes sha256 xts cbc essiv algif_skcipher algif_hash crc32c sha512
}

install() {
    inst_simple "$moddir/basalt-vm-agent" /usr/lib/basalt-vm-agent
    inst_simple "$moddir/basalt-vm-populate" /usr/lib/basalt-vm-populate
    for unit in agent.service idle.target populate.service; do
        inst_simple "$moddir/basalt-vm-$unit" "$systemdsystemunitdir/basalt-vm-$unit"
    done
    $SYSTEMCTL -q --root "$initdir" add-wants sysinit.target basalt-vm-agent.service
    $SYSTEMCTL -q --root "$initdir" add-requires initrd.target basalt-vm-populate.service
    inst_multiple -o "$systemdsystemunitdir"/ignition-firstboot-complete.service \
        "$systemdsystemunitdir"/basic.target.wants/ignition-firstboot-complete.service \
        /usr/lib/basalt-ignition/firstboot-complete
    inst_multiple sh bash cat cp mv rm ln ls mkdir rmdir mknod mkfifo mktemp touch chmod chown stat readlink realpath \
        echo printf test true false sleep sync date dd cmp od head tail cut tr sort uniq wc tee expr seq env id uname \
        sed grep find xargs sha256sum md5sum base64 timeout nproc df du basename dirname kill \
        mount umount findmnt lsblk blkid blockdev losetup wipefs mkswap swapon swapoff partx sfdisk flock unshare \
        systemctl journalctl udevadm modprobe dmesg setsid chroot
    inst_multiple -o awk mawk gawk diff tar gzip zstd hexdump ps pgrep fuser truncate fallocate nohup chattr lsattr \
        mkfs.ext4 mkfs.ext2 mke2fs mkfs.xfs mkfs.btrfs mkfs.fat mkfs.vfat fsck fsck.ext4 e2fsck tune2fs dumpe2fs \
        resize2fs xfs_db xfs_repair xfs_admin xfs_info btrfs btrfs-find-root fsck.fat fatlabel \
        mdadm mdmon lvm pvs vgs lvs pvcreate vgcreate lvcreate pvdisplay vgdisplay lvdisplay vgchange lvchange \
        dmsetup cryptsetup integritysetup veritysetup curl ip getent \
        useradd usermod userdel groupadd groupmod groupdel passwd chage login \
        jose clevis clevis-encrypt-sss clevis-encrypt-tang clevis-encrypt-tpm2 clevis-decrypt clevis-decrypt-sss \
        clevis-decrypt-tang clevis-decrypt-tpm2 clevis-luks-bind clevis-luks-common-functions clevis-luks-list \
        clevis-luks-unlock clevis-luks-pass clevis-luks-unbind clevis-luks-edit pwmake luksmeta \
        tpm2 tpm2_create tpm2_createprimary tpm2_createpolicy tpm2_flushcontext tpm2_load tpm2_unseal \
        tpm2_pcrread tpm2_policypcr tpm2_startup tpm2_clear tpm2_getcap systemd-cryptsetup \
        /usr/lib/systemd/systemd-cryptsetup
    # The software TPM speaks through the kernel; libraries that are only dlopen'ed are not found by themselves.
    inst_libdir_file 'libtss2-tcti-device.so*' 'libtss2-esys.so*' 'libcryptsetup.so*' 'libfdisk.so*' 'libblkid.so*' \
        'libcurl.so*' 'libcrypto.so*' 'libssl.so*' 'libmount.so*' 'libisal.so*' 'libzstd.so*' 'libgcc_s.so*' \
        'libnss_files.so*' 'ossl-modules/*.so'
    inst_simple /etc/login.defs
    inst_simple /usr/lib/ssl/openssl.cnf
}
