#!/bin/bash
# dracut: the provisioner in the initramfs. What it runs is installed where the system has it; RAID, LVM, LUKS and
# clevis come with dracut's own modules for them, because a root on one of these needs that module at every boot.
# Nothing of the network is in here: the module basalt-ignition-network adds it.

check() {
    require_binaries basalt-ignition || return 1
    # Only where dracut.conf or another module asks for it.
    return 255
}

depends() {
    echo systemd systemd-initrd dracut-systemd udev-rules
}

installkernel() {
    hostonly='' instmods qemu_fw_cfg
    instmods -o ext4 xfs btrfs vfat nls_ascii nls_cp437 nls_iso8859_1
    # An image for any machine takes what Hyper-V and Apple's hypervisor hand the config over by.
    if dracut_module_included kernel-modules; then
        hostonly='' instmods -o hv_utils vsock vmw_vsock_virtio_transport
    fi
    return 0
}

add_unit() {
    local unit=$1 target=${2:-ignition-complete.target}
    inst_simple "$moddir/$unit" "$systemdsystemunitdir/$unit"
    $SYSTEMCTL -q --root "$initdir" add-requires "$target" "$unit" || exit 1
}

install_tools() {
    inst_multiple mount umount mkdir rm ln cat cp sed sleep sulogin
    inst_multiple -o dmesg setfiles \
        useradd usermod userdel groupadd groupmod groupdel \
        mkfs.ext4 mkfs.xfs mkfs.btrfs mkfs.fat mkswap
    # The program opens these when it needs them; no linker names them.
    inst_libdir_file 'libfdisk.so*' 'libblkid.so*' 'libmount.so*'
    if dracut_module_included crypt; then
        inst_libdir_file 'libcryptsetup.so*' 'libgcc_s.so*'
    fi
    if dracut_module_included clevis; then
        inst_multiple -o clevis-encrypt-sss clevis-encrypt-tang clevis-encrypt-tpm2 clevis-luks-bind \
            clevis-luks-common-functions clevis-luks-unlock pwmake tpm2_create tpm2_createpolicy
    fi
    # useradd asks for these below the root, but reads its own defaults from here.
    inst_multiple -o /etc/login.defs /etc/default/useradd
}

install() {
    local name

    inst_binary basalt-ignition
    for name in ignition ignition-apply ignition-rmcfg ignition-validate; do
        ln_r /usr/bin/basalt-ignition "/usr/bin/$name"
    done
    install_tools
    for name in boot.sh emergency guard populate-var remount root-wait setup-user with-root; do
        inst_script "$moddir/$name" "/usr/lib/basalt-ignition/$name"
    done
    inst_script "$moddir/ignition-generator" "$systemdutildir/system-generators/ignition-generator"
    inst_simple "$moddir/emergency.conf" "$systemdsystemconfdir/emergency.service.d/50-ignition.conf"
    for name in complete diskful subsequent diskful-subsequent; do
        inst_simple "$moddir/ignition-$name.target" "$systemdsystemunitdir/ignition-$name.target"
    done
    for name in fetch-offline fetch kargs disks mount files setup-user; do
        add_unit "ignition-$name.service"
    done
    for name in guard transposefs-save transposefs-restore root-wait remount-sysroot populate-var; do
        add_unit "ignition-$name.service" ignition-diskful.target
    done
    inst_rules 60-cdrom_id.rules
}
