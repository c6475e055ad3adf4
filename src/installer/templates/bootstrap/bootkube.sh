#!/bin/sh
# Makes this machine give the first master its config, and with it the control plane, which does the rest. Each
# step leaves a stamp, NAME.done, so that a restart goes on where the last run stopped; the server is the last one.
set -eu
umask 077
cd /opt/openshift

step() {
    if [ -e "$1.done" ]; then
        return 0
    fi
    echo "bootkube: $1"
    "$1"
    touch "$1.done"
}

# The MachineConfigs and pools of this cluster, merged per pool, into the directory $1.
merge() {
    rm -rf "$1.new"
    basalt render --bootstrap --dest-dir "$1.new" machine-configs manifests openshift
    rm -rf "$1"
    mv "$1.new" "$1"
}

# What the machine config server shows to the machines, and what it gives them to introduce themselves.
credentials() {
    mkdir -p /etc/ssl/mcs /etc/mcs
    cp tls/machine-config-server.crt /etc/ssl/mcs/tls.crt
    cp tls/machine-config-server.key /etc/ssl/mcs/tls.key
    cp auth/kubeconfig-kubelet /etc/mcs/kubeconfig
    cp tokens.json /etc/mcs/tokens.json
}

# What the first master gets beside its pool's config, and no pool has: the control plane with its keys. The
# cluster begins there, with the objects that are made here; this machine only gives out configs until then.
hand_over() {
    rm -rf hand-over/tree
    plane=hand-over/tree/etc/basalt/control-plane
    mkdir -p "$plane/manifests" hand-over/tree/etc/mcs hand-over/tree/etc/ssl hand-over/tree/etc/systemd/system \
        hand-over/tree/usr/local/bin
    cp -R tls "$plane/tls"
    cp machine-configs/*.yaml manifests/* openshift/* hand-over/controller-config.yaml "$plane/manifests/"
    sed 's,\(server: https://\)[^:]*:,\1localhost:,' auth/kubeconfig >"$plane/kubeconfig"
    cp /etc/mcs/kubeconfig /etc/mcs/tokens.json hand-over/tree/etc/mcs/
    cp -R /etc/ssl/mcs hand-over/tree/etc/ssl/mcs
    cp hand-over/*.service hand-over/*.timer hand-over/tree/etc/systemd/system/
    cp hand-over/basalt-certs-renew hand-over/tree/usr/local/bin/
    mkdir -p /etc/mcs/bootstrap/machine-more
    basalt create machine-config --name control-plane --role master --tree hand-over/tree \
        --enable basalt-apiserver.service --enable basalt-certs-renew.timer --enable machine-config-controller.service \
        --enable machine-config-server.service --output hand-over/control-plane.yaml
    mv hand-over/control-plane.yaml /etc/mcs/bootstrap/machine-more/master.yaml
}

render() {
    merge /etc/mcs/bootstrap
}

step credentials
step render
step hand_over
echo "bootkube: the masters can come"
touch .bootkube.done
exec machine-config-server bootstrap
