#!/usr/bin/env python3
"""What the provisioner costs in an initramfs: the same image with and without it, compressed."""
import initramfs
import vm

DRIVERS = "virtio_pci virtio_blk ext4 xfs btrfs vfat nls_ascii nls_cp437 nls_iso8859_1 qemu_fw_cfg"
LIMIT = 2_000_000


def sizes(modules, more):
    vm.require("unshare")
    plain = initramfs.build("plain", modules, DRIVERS)
    full = initramfs.build("full", f"{modules} {more}", DRIVERS, install=vm.install_product)
    before, after = plain.stat().st_size, full.stat().st_size
    print(f"{modules}: {before} bytes; with {more}: {after}, {after - before} more")
    return after - before


def test_local_configs_cost_two_megabytes_at_most():
    assert 0 < sizes(initramfs.LEAN, "basalt-ignition") <= LIMIT
    assert 0 < sizes(f"{initramfs.LEAN} {initramfs.STORAGE}", "basalt-ignition") <= LIMIT


def test_network_is_a_module_of_its_own():
    assert sizes(f"{initramfs.LEAN} systemd-networkd", "basalt-ignition basalt-ignition-network") > 0


if __name__ == "__main__":
    vm.main()
