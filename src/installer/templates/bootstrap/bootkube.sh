#!/bin/sh
# Makes this machine serve the masters their configs, and the masters serve everybody else's. Each step leaves a
# stamp, NAME.done, so that a restart goes on where the last run stopped; the server is the last step.
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

# A MachineConfig that lets the masters serve every pool but their own, once this machine has gone.
hand_over() {
    merge hand-over/rendered
    rm -rf hand-over/tree
    mkdir -p hand-over/tree/etc/mcs hand-over/tree/etc/ssl hand-over/tree/etc/systemd/system
    cp -R hand-over/rendered hand-over/tree/etc/mcs/bootstrap
    rm -f hand-over/tree/etc/mcs/bootstrap/machine-pools/master.yaml \
        hand-over/tree/etc/mcs/bootstrap/machine-configs/rendered-master-*.yaml
    cp /etc/mcs/kubeconfig /etc/mcs/tokens.json hand-over/tree/etc/mcs/
    cp -R /etc/ssl/mcs hand-over/tree/etc/ssl/mcs
    cp hand-over/machine-config-server.service hand-over/tree/etc/systemd/system/
    basalt create machine-config --name 02-master-machine-config-server --role master --tree hand-over/tree \
        --enable machine-config-server.service --output machine-configs/02-master-machine-config-server.yaml
}

render() {
    merge /etc/mcs/bootstrap
}

step credentials
step hand_over
step render
echo "bootkube: the masters can come"
touch .bootkube.done
exec machine-config-server bootstrap
