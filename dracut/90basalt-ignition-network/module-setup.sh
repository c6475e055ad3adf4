#!/bin/bash
# dracut: what the provisioner needs for configs that are not local. The network comes up only when a config needs it.

check() {
    require_binaries basalt-ignition || return 1
    return 255
}

depends() {
    echo basalt-ignition network
}

install() {
    inst_simple "$moddir/ignition-enable-network.service" "$systemdsystemunitdir/ignition-enable-network.service"
    $SYSTEMCTL -q --root "$initdir" add-requires ignition-complete.target ignition-enable-network.service || exit 1
    inst_script "$moddir/enable-network" /usr/lib/basalt-ignition/enable-network
    inst_multiple ip sed
    # Opened when they are needed; no linker names them.
    inst_libdir_file 'libcurl.so*' 'libssl.so*' 'libcrypto.so*' 'libisal.so*' 'libzstd.so*' 'libnss_dns*' 'libnss_files*'
    inst_multiple -o /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt \
        /etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem /etc/nsswitch.conf /etc/hosts
}
